"""Text: every character is kept, also spaces at the ends."""

from jobsui.jobs.mapping.types.base import (
    NEARLY_PLAIN_TEXT,
    PLAIN_TEXT,
    PLAIN_TEXT_BYTES,
    ValueType,
)


class Text(ValueType, names=("text", "textarea")):
    plain = PLAIN_TEXT
    plain_bytes = PLAIN_TEXT_BYTES
    nearly_plain = NEARLY_PLAIN_TEXT
    is_text = True
    keeps_text = True

    def parse(self, text: str) -> str:
        return text
