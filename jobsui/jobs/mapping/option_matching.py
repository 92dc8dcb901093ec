"""Which option of a field a text means."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from jobsui.zendesk.payloads import Field

BETWEEN_WORDS = re.compile(r"(?!(?<=\d)_(?=\d)|\A-\d)[\s_.,:;'’\"()/–—-]")
BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s_.,:;'’()/–—-]+(?=\d)")


class OptionFinder:
    """Finds options by tag, label and normal form. A text that may mean several options
    means none."""

    def __init__(self, field: Field) -> None:
        tags = [(option.value, option.value) for option in field.options]
        labels = [
            (option.name.strip().lower(), option.value) for option in field.options
        ]
        forms = [
            (normal_form(text), option.value)
            for option in field.options
            for text in (option.value, option.name)
        ]
        self._tags = _unambiguous(tags)
        self._labels = _unambiguous(labels)
        self.forms = _unambiguous(forms)
        """{normal form: tag}."""

    def find(self, text: str) -> str:
        """The tag of the option; "" when there is none."""
        plain = text.strip()
        tag = self._tags.get(plain) or self._labels.get(plain.lower())
        return tag or self.forms.get(normal_form(plain), "")


def normal_form(text: str) -> str:
    """A text without case, accents, and what stands between words. Signs that may be all
    the difference stay: C and C++, 1.5 and 15, -1 and 1."""
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    return BETWEEN_WORDS.sub("", BETWEEN_DIGITS.sub("_", plain))


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """{text: tag} for the texts of a single option."""
    found: dict[str, set[str]] = {}
    for text, tag in pairs:
        found.setdefault(text, set()).add(tag)
    return {text: tags.pop() for text, tags in found.items() if text and len(tags) == 1}
