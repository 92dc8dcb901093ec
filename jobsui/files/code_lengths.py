"""How long the whole numbers of a column are: the lengths show where a spreadsheet has
removed zeros at the beginning, or turned the last digits into zeros.

Workers only: it imports pyarrow."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

KEPT_DIGITS = 15
"""How many digits of a number a spreadsheet keeps."""
CUT = rf"^[0-9]{{{KEPT_DIGITS}}}0+$"
MIN_CUT = 3
MIN_CODES = 20
MIN_ALL_DIGITS = 0.9
"""Which share of the column's cells are whole numbers."""
MIN_USUAL = 0.85
"""Which share of codes has the usual length. Of random digits, a tenth begin with zero."""
MAX_LOST_ZEROS = 3
MIN_LENGTH = 8
"""Shorter numbers are often counters, of which a tenth are shorter than the others."""
MIN_NAMED_LENGTH = 4
MIN_ZERO_LED_LENGTH = 3


class CodeLengths:
    def __init__(self, has_code_name: bool) -> None:
        """`has_code_name`: the name of the column says that its numbers are codes."""
        self._has_code_name = has_code_name
        self._lengths: Counter[int] = Counter()
        """How many whole numbers have how many digits; below, those of them that begin
        with zero or nine, and those that end with zeros after KEPT_DIGITS."""
        self._zero_led: Counter[int] = Counter()
        self._nine_led: Counter[int] = Counter()
        self._cut: Counter[int] = Counter()

    def add(self, text: str, count: int) -> None:
        """`text` is a whole number."""
        length = len(text)
        self._lengths[length] += count
        if text[0] == "0":
            self._zero_led[length] += count
        if text[0] == "9":
            self._nine_led[length] += count
        if length > KEPT_DIGITS and not text[KEPT_DIGITS:].strip("0"):
            self._cut[length] += count

    def add_all(self, texts: pa.StringArray) -> None:
        are_digits = pc.ascii_is_decimal(texts)
        if not pc.any(are_digits).as_py():
            return
        digits = texts.filter(are_digits)
        _count_lengths(digits, self._lengths)
        _count_lengths(digits.filter(pc.starts_with(digits, "0")), self._zero_led)
        _count_lengths(digits.filter(pc.starts_with(digits, "9")), self._nine_led)
        if max(self._lengths) > KEPT_DIGITS:
            long = digits.filter(pc.greater(pc.binary_length(digits), KEPT_DIGITS))
            is_cut = pc.match_substring_regex(long, CUT)
            _count_lengths(long.filter(is_cut), self._cut)

    def cut(self) -> str:
        """A pattern of the numbers whose last digits were turned into zeros; "" if there
        are not clearly more of them than by chance."""
        lengths = []
        for length, count in self._cut.items():
            chance = 0.1 ** (length - KEPT_DIGITS)
            if count > MIN_CUT + 3 * chance * self._lengths[length]:
                lengths.append(length - KEPT_DIGITS)
        return "|".join(f"^[0-9]{{{KEPT_DIGITS}}}0{{{zeros}}}$" for zeros in lengths)

    def short(self, filled: int) -> str:
        """A pattern of the codes that have lost zeros; "" if it is not clear that they have.
        `filled`: how many cells of the column have a text."""
        count = self._lengths.total()
        if count < MIN_CODES or count < MIN_ALL_DIGITS * filled:
            return ""
        usual = max(self._lengths)
        shorter = count - self._lengths[usual]
        shortest = max(min(self._lengths), 1)
        if not shorter or self._lengths[usual] < MIN_USUAL * count:
            return ""
        if usual - shortest > MAX_LOST_ZEROS or not self._are_codes(usual, shorter):
            return ""
        return f"^[1-9][0-9]{{{shortest - 1},{usual - 2}}}$"

    def _are_codes(self, usual: int, shorter: int) -> bool:
        """Whether the numbers are codes of a fixed length."""
        if self._zero_led.total() > self._zero_led[usual]:
            return False
        if self._zero_led[usual]:
            return usual >= MIN_ZERO_LED_LENGTH
        # A counter: 9998, 9999, 10000.
        if self._nine_led.total() - self._nine_led[usual] == shorter:
            return False
        return usual >= (MIN_NAMED_LENGTH if self._has_code_name else MIN_LENGTH)


def _count_lengths(texts: pa.StringArray, counts: Counter[int]) -> None:
    if not len(texts):
        return
    found = pc.value_counts(pc.binary_length(texts))
    for length, count in zip(
        found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True
    ):
        counts[length] += count
