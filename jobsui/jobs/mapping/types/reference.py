"""Related records: an ID, or "external_id:" or "name:" with a value. Only Zendesk knows
whether there is such a record."""

import re

from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping.types.base import WORD_BYTES, ValueType, problem
from jobsui.jobs.mapping.types.record_id import PLAIN_ULID, ULID
from jobsui.zendesk.payloads import Field

ID = re.compile(r"[\w-]+", re.ASCII)
REFERENCE = re.compile(r"(external_id|name):\s*\S.*", re.DOTALL)
CUSTOM_OBJECT = "zen:custom_object:"


class Reference(ValueType, names=("lookup", "parent")):
    """Records of custom objects have ULIDs, users and the like have numbers."""

    is_text = True

    def __init__(self, field: Field, decimal_mark: Mark = ".") -> None:
        super().__init__(field, decimal_mark)
        self._is_custom_object = field.target_type.startswith(CUSTOM_OBJECT)
        if self._is_custom_object:
            self.plain = PLAIN_ULID
        else:
            self.plain = "[A-Za-z0-9_-]+"
            self.plain_bytes = WORD_BYTES

    def parse(self, text: str) -> str:
        plain = text.strip()
        if REFERENCE.fullmatch(plain):
            return plain
        if self._is_custom_object and ULID.fullmatch(plain.upper()):
            return plain.upper()
        if not self._is_custom_object and ID.fullmatch(plain):
            return plain
        raise problem(
            "not_a_reference",
            text,
            "does not identify a record",
            "Choose in the column's rule that it has external IDs or names, or write the "
            "Zendesk ID of the record, or external_id: or name: and its external ID or name.",
        )
