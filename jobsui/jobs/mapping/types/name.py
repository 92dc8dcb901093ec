"""Names of records."""

from jobsui.jobs.mapping.types.base import (
    CONTROL,
    ESCAPED,
    PLAIN_TEXT_BYTES,
    SPACES,
    ValueType,
    problem,
)


class Name(ValueType, names=("standard::name",)):
    plain = rf'[^{SPACES}"\\#](?:[^"\\{CONTROL}]*[^{SPACES}"\\])?'
    plain_bytes = PLAIN_TEXT_BYTES
    nearly_plain = rf"[^{SPACES}#](?:[^{ESCAPED}]*[^{SPACES}])?"
    is_text = True
    keeps_text = True
    is_field = False

    def parse(self, text: str) -> str:
        require_no_spaces(text)
        return text


def require_no_spaces(text: str) -> None:
    """Raises ValueProblem for spaces at the ends: whether they belong to the value, only a
    person knows."""
    if text != text.strip():
        raise problem(
            "spaces",
            text,
            "begins or ends with spaces",
            "Choose in the column's rule to remove them, or remove them in the file.",
        )
