"""The result of a row, as a batch stores it."""

from collections.abc import Sequence
from typing import NamedTuple

from jobsui.jobs.enums import Outcome


class RowResult(NamedTuple):
    """The one result of a row. A tuple, because there is one for every row sent: it is
    JSON as it stands, `[outcome, record_id, code, message]`."""

    outcome: Outcome
    record_id: str = ""
    """Zendesk's id of the record; "" when it is not known."""
    code: str = ""
    message: str = ""
    """Why the row failed or is uncertain; "" when it succeeded."""

    @classmethod
    def from_json(cls, data: Sequence[str]) -> "RowResult":
        outcome, record_id, code, message = data
        return cls(Outcome(outcome), record_id, code, message)
