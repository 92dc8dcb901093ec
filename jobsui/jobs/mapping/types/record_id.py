"""IDs of Zendesk's own."""

import re

from jobsui.jobs.mapping.types.base import ValueType, problem

PLAIN_ULID = "[0-9A-HJKMNP-TV-Z]{26}"
ULID = re.compile(PLAIN_ULID)


class RecordID(ValueType, names=("standard::id",)):
    plain = PLAIN_ULID
    is_text = True
    is_field = False

    def parse(self, text: str) -> str:
        """In the capital letters that Zendesk shows."""
        return checked_record_id(text.strip().upper())


def checked_record_id(text: str) -> str:
    """Raises ValueProblem for what is no record ID as Zendesk shows it. Zendesk may
    refuse a whole batch because of one."""
    if ULID.fullmatch(text):
        return text
    raise problem(
        "not_a_record_id",
        text,
        "is not a record ID of Zendesk",
        "Write the ID as Zendesk shows it: 26 digits and capital letters, without I, L, "
        "O and U. If it is your own ID, choose an action that uses the external ID.",
    )
