"""The encoding of a file. UTF-8 and UTF-16 are certain; another one is a proposal that a
person must confirm."""

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from jobsui.files import encoding as encodings
from jobsui.files.encoding import ENCODINGS, UTF8
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Proposal

CHUNK_BYTES = 1 << 20
MAX_CELLS = 400
"""Different cells beyond ASCII that are compared. More change no proposal."""
MAX_CELL_BYTES = 1000
MAX_PROPOSALS = 3
MAX_SAMPLES = 3
MIN_CELLS_PER_WRONG_ONE = 4
"""With this number of cells in UTF-8 for each that is not, the file is UTF-8 with a few wrong
bytes."""
_PART = rb'(?:[^,;:\t\x1f"\r\n|^~]|(?<=[\x80-\xff])[|^~])*'
CELL = re.compile(_PART + rb"[\x80-\xff]" + _PART)
"""Cut at the usual delimiters. Behind a byte beyond ASCII, "|", "^" and "~" may be half of a
character."""
LINE_END = re.compile(rb"\r\n|\r|\n")
ISO_2022 = re.compile(rb"\x1b(?:\$[@AB]|\$[()][A-D]|\([BIJ])")
CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x7f]")
MAX_CONTROLS = 0.05
"""The share of control characters in a text file's beginning."""
CHARDET_NAMES = {"euc_jp": "euc_jis_2004", "big5": "big5hkscs"}
NOT_PROPOSED = ("shift_jis", "utf-16-le", "utf-16-be", UTF8, encodings.UTF16)
"""cp932 reads Shift JIS as well."""
ONLY_CP1250 = re.compile(rb"[\x8a-\x9f\xa5]")
ONLY_ISO_8859_2 = re.compile(rb"[\xa1\xa6\xa9\xab\xac\xae\xb1\xb6\xbb\xbc\xbe]")
CONTROL = re.compile("[\x80-\x9f]")
WITH_CONTROLS = 0.1
"""How plausible a text with control characters beyond ASCII is."""
INSIDE_WORDS = "’\u02bc·\xad"


@dataclass(frozen=True, slots=True)
class Found:
    encoding: str
    proposals: tuple[Proposal, ...] = ()
    """The best first, if the encoding is not certain."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    encoding: str
    texts: tuple[str, ...]
    score: float


def find(stream: BinaryIO, head: bytes, chosen: str = "") -> Found:
    """The chosen encoding, else what the bytes show. Reads the whole stream unless its
    beginning decides. Raises FileRefused for what is no text."""
    if chosen:
        return Found(encodings.choose(head, chosen))
    certain = encodings.choose(head)
    if certain != UTF8 or head.startswith(codecs.BOM_UTF8):
        return Found(certain)
    if len(CONTROLS.findall(head)) > max(len(head) * MAX_CONTROLS, 2):
        raise FileRefused(
            "This is not a text file: it has bytes that no text contains. "
            "Export it again as CSV (UTF-8)."
        )
    if _is_utf8(stream):
        return Found(UTF8)
    cells = _cells(stream)
    wrong = sum(not _is_text(cell) for cell in cells)
    if len(cells) - wrong >= MIN_CELLS_PER_WRONG_ONE * wrong:
        return Found(UTF8)
    candidates = _candidates(list(cells))
    numbers = list(cells.values())
    proposals = tuple(
        Proposal(one.encoding, tuple(_samples(one, candidates, numbers)))
        for one in candidates
    )
    return Found(candidates[0].encoding, proposals)


def question(proposals: tuple[Proposal, ...]) -> str:
    """What a person is asked, as sentences."""
    ways = []
    for proposal in proposals:
        texts = ", ".join(f"“{text}” (row {row:,})" for row, text in proposal.samples)
        ways.append(f"as {ENCODINGS[proposal.encoding]} it has {texts}")
    return (
        "The file is not UTF-8, and its encoding is not certain. Read "
        f"{'; '.join(ways)}. Choose its encoding."
    )


def _is_utf8(stream: BinaryIO) -> bool:
    """Raises FileRefused for ISO-2022."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    stream.seek(0)
    while chunk := stream.read(CHUNK_BYTES):
        if b"\x1b" in chunk and ISO_2022.search(chunk):
            raise FileRefused(
                "The file is in an ISO-2022 encoding, which switches alphabets by escape "
                "sequences. Save it as UTF-8."
            )
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_text(cell: bytes, encoding: str = "utf-8") -> bool:
    try:
        cell.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _cells(stream: BinaryIO) -> dict[bytes, int]:
    """{cell with bytes beyond ASCII: its row}, as many different ones as are needed."""
    found: dict[bytes, int] = {}
    rows = _RowCounter()
    stream.seek(0)
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        lines = rest + chunk
        end = max(lines.rfind(b"\n"), lines.rfind(b"\r"), 0) or len(lines)
        rest = lines[end:]
        _add_cells(lines[:end], rows, found)
        if len(found) >= MAX_CELLS:
            return found
    _add_cells(rest, rows, found)
    return found


def _add_cells(lines: bytes, rows: "_RowCounter", found: dict[bytes, int]) -> None:
    position = 0
    if not lines.isascii():
        for match in CELL.finditer(lines):
            rows.pass_by(lines[position : match.start()])
            position = match.start()
            found.setdefault(match[0][:MAX_CELL_BYTES], rows.row)
            if len(found) >= MAX_CELLS:
                break
    rows.pass_by(lines[position:])


class _RowCounter:
    """Counts line ends outside quotation marks."""

    def __init__(self) -> None:
        self.row = 1
        self._is_quoted = False
        self._ends_with_cr = False

    def pass_by(self, data: bytes) -> None:
        if self._ends_with_cr and data.startswith(b"\n"):
            self.row -= 1
        for index, part in enumerate(data.split(b'"')):
            if index:
                self._is_quoted = not self._is_quoted
            if not self._is_quoted:
                self.row += len(LINE_END.findall(part))
        if data:
            self._ends_with_cr = data.endswith(b"\r") and not self._is_quoted


def _candidates(cells: list[bytes]) -> list[_Candidate]:
    """The encodings that the cells may have, the best first. No two read all cells the
    same."""
    # 3 MB that only workers need.
    import chardet  # noqa: PLC0415

    offered = {
        CHARDET_NAMES.get(name, name): name
        for name in ENCODINGS
        if name not in NOT_PROPOSED
    }
    results = chardet.detect_all(
        b"\n".join(cells),
        ignore_threshold=True,
        include_encodings=list(offered),
        compat_names=False,
    )
    found: list[_Candidate] = []
    for result in results:
        guess = str(result["encoding"])
        name = offered.get(guess) or encodings.named(guess)
        if not name or not all(_is_text(cell, name) for cell in cells):
            continue
        texts = tuple(cell.decode(name) for cell in cells)
        score = float(result["confidence"] or 0) * _plausibility(texts)
        found.append(_Candidate(name, texts, score))
    found.sort(key=lambda one: one.score, reverse=True)
    _settle_central_europe(found, cells)
    if not found:
        found = [_western(cells)]
    best: dict[tuple[str, ...], _Candidate] = {}
    for one in found:
        same = best.get(one.texts)
        if same is None or _order(one) < _order(same):
            best[one.texts] = one
    return list(best.values())[:MAX_PROPOSALS]


def _order(one: _Candidate) -> int:
    return list(ENCODINGS).index(one.encoding)


def _western(cells: list[bytes]) -> _Candidate:
    """What reads any bytes, for cells that no encoding reads without a fault."""
    texts = tuple(cell.decode("cp1252", "replace") for cell in cells)
    return _Candidate("cp1252", texts, 0)


def _plausibility(texts: Iterable[str]) -> float:
    """1 for text without signs of a wrong encoding: capital letters or symbols inside
    words, control characters."""
    text = "\n".join(texts)
    if CONTROL.search(text):
        return WITH_CONTROLS
    wrong = 0
    count = 0
    for match in re.finditer("[^\x00-\x7f]", text):
        count += 1
        start = match.start()
        wrong += _is_implausible(
            text[start - 1 : start], match[0], text[start + 1 :][:1]
        )
    return (1 - wrong / count) ** 2 if count else 1


def _is_implausible(before: str, sign: str, after: str) -> bool:
    if sign.isupper():
        return before.islower()
    is_inside_word = before.isalpha() and after.isalpha()
    is_symbol = not sign.isalpha() and unicodedata.category(sign)[0] != "M"
    return is_inside_word and is_symbol and sign not in INSIDE_WORDS


def _settle_central_europe(found: list[_Candidate], cells: list[bytes]) -> None:
    """Order Windows-1250 and ISO 8859-2, which chardet takes for one another, by bytes
    that only one of them uses for letters."""
    places = [
        index
        for index, one in enumerate(found)
        if one.encoding in {"cp1250", "iso-8859-2"}
    ]
    if len(places) < 2:
        return
    content = b"".join(cells)
    if ONLY_CP1250.search(content):
        better = "cp1250"
    elif ONLY_ISO_8859_2.search(content):
        better = "iso-8859-2"
    else:
        return
    first, second = places
    if found[first].encoding != better:
        found[first], found[second] = found[second], found[first]


def _samples(
    one: _Candidate, candidates: list[_Candidate], rows: list[int]
) -> Iterator[tuple[int, str]]:
    """Cells that the candidates read differently."""
    differing = [
        index
        for index in range(len(one.texts))
        if len({other.texts[index] for other in candidates}) == len(candidates)
    ]
    if not differing:
        differing = [
            index
            for index in range(len(one.texts))
            if len({other.texts[index] for other in candidates}) > 1
        ]
    for index in (differing or list(range(len(one.texts))))[:MAX_SAMPLES]:
        yield rows[index], one.texts[index][:80]
