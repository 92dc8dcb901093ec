"""Several options, each once."""

import json

from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping.types.base import ValueProblem, ValueType
from jobsui.jobs.mapping.types.dropdown import Dropdown
from jobsui.zendesk.payloads import Field


class Multiselect(ValueType, names=("multiselect",)):
    takes_lists = True

    def __init__(self, field: Field, decimal_mark: Mark = ".") -> None:
        super().__init__(field, decimal_mark)
        self._parse_option = Dropdown(field).parse

    def parse(self, text: str) -> list[str]:
        tags = [self._parse_option(part) for part in self._split(text)]
        return list(dict.fromkeys(tags))

    def _split(self, text: str) -> list[str]:
        """The options in a cell: a JSON list, one label that itself contains a comma, or
        parts between semicolons or commas."""
        plain = text.strip()
        if plain.startswith("["):
            try:
                listed = json.loads(plain)
            except ValueError:
                listed = None
            if isinstance(listed, list):
                return [str(entry) for entry in listed]
        try:
            self._parse_option(plain)
        except ValueProblem:
            separator = ";" if ";" in plain else ","
            parts = [part for part in plain.split(separator) if part.strip()]
            if not parts:
                raise
            return parts
        return [plain]
