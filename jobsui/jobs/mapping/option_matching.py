"""Which option of a field a text means."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from jobsui.zendesk.payloads import Field


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
    """A text without case, accents, spaces and punctuation."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    return re.sub(r"[\W_]", "", plain)


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """{text: tag} for the texts of a single option."""
    found: dict[str, set[str]] = {}
    for text, tag in pairs:
        found.setdefault(text, set()).add(tag)
    return {text: tags.pop() for text, tags in found.items() if text and len(tags) == 1}
