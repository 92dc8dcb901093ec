"""What the page of a check says about the keys of its file."""

from collections.abc import Sequence
from typing import Any

from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job
from jobsui.jobs.preparation.key_damage.explanations import Explanation
from jobsui.jobs.preparation.key_damage.other_accounts import OtherAccount
from jobsui.jobs.preparation.key_damage.sample import Sample, count
from jobsui.zendesk.payloads import Record

MAX_EXAMPLES = 10
PROBABLY_OTHER = 0.5
"""If a smaller share of its keys exists in the account, a file is probably not meant for it."""
ANOTHER_ACCOUNT = (
    "The file may be meant for another account. Check connection, object and keys."
)
MAY_CHANGE_ALL = (
    "If the file is to change all of these values, nothing is wrong. Otherwise it may be meant "
    "for another account: check connection, object and keys."
)
KEY_LABELS = {"id": "Zendesk IDs", "external_id": "external IDs", "name": "names"}


class Notices:
    """About the keys of one sample."""

    def __init__(self, job: Job, sample: Sample) -> None:
        self._job = job
        self._action = Action(job.action)
        self._sample = sample
        share = percent(sample.existing, sample.size)
        label = KEY_LABELS[self._action.key]
        self._share = f"{share} of the sampled {label} exist in this account"

    def would_match(
        self, explanation: Explanation, records: Sequence[Record | None]
    ) -> dict[str, Any]:
        """`records`: those that the explanation finds for the rows."""
        code = "keys_would_match"
        fix = "If the keys in the examples are right, set this rule and check again."
        if explanation.column:
            code = "keys_in_other_column"
            fix = "If the keys in the examples are right, use this column and check again."
        elif explanation.rule is None:
            label = KEY_LABELS[explanation.key].removesuffix("s")
            fix = f"Choose an action that finds records by {label}."
        would = self._would(explanation, count(records))
        proposal = self._rewriting(explanation, records)
        return notice(code, f"{self._share}, {would}.", fix, proposal)

    def in_other_account(
        self, other: OtherAccount, *, is_contradicted: bool
    ) -> dict[str, Any]:
        """`is_contradicted`: the keys exist in the account of the job, too, with other
        values."""
        proposal = self._proposal(
            other.existing * self._sample.size // other.looked_up,
            connection=str(other.connection.code),
        )
        share = percent(other.existing, other.looked_up)
        account = f"in the account of the connection “{other.connection.name}”"
        found = f"{self._share}, {share} {account}."
        if is_contradicted:
            found = (
                f"{self._share}, but these records hold other values than the file. {share} "
                f"exist {account}, with values of the file."
            )
        return notice(
            "keys_in_other_account",
            found,
            "The file is probably meant for that account. Check the connection of this job.",
            proposal,
        )

    def would_match_unproven(
        self, explanation: Explanation, existing: int
    ) -> dict[str, Any]:
        """`existing`: how many rows have a record by the explanation."""
        return notice(
            "keys_not_in_account",
            f"{self._share}, {self._would(explanation, existing)}. But the file has no other "
            "values that show whether these are the same records.",
            "Compare some of these records in Zendesk with the file before you change the keys.",
        )

    def would_match_others(
        self, explanation: Explanation, existing: int
    ) -> dict[str, Any]:
        """`existing`: how many rows have a record by the explanation."""
        return notice(
            "keys_not_in_account",
            f"{self._share}, {self._would(explanation, existing)}. But those records hold other "
            "values than the file.",
            ANOTHER_ACCOUNT,
        )

    def other_contents(self, figures: str) -> dict[str, Any]:
        """The keys exist, but their records hold other values. `figures`: those of Contents. A
        file for an upsert may be meant to change all values."""
        fix = ANOTHER_ACCOUNT
        code = "keys_not_in_account"
        if self._action.is_upsert:
            fix = MAY_CHANGE_ALL
            code = "contents_differ"
        return notice(
            code,
            f"{self._share}, but these records hold other values than the file. Records with "
            f"the same value: {figures}.",
            fix,
        )

    def not_in_account(self) -> dict[str, Any] | None:
        """None if the records need not exist, or if enough of them do."""
        is_usual = self._action.is_upsert
        if is_usual or self._sample.existing >= PROBABLY_OTHER * self._sample.size:
            return None
        return notice(
            "keys_not_in_account",
            f"{self._share}. No rewriting of the keys and no other column finds more.",
            "Check that connection, object and file belong together.",
        )

    def _would(self, explanation: Explanation, existing: int) -> str:
        """ "97 % would if padded to 8 digits"."""
        share = percent(existing, self._sample.size)
        verb = "would " if explanation.rule is not None else ""
        return f"{share} {verb}{explanation.words}"

    def _rewriting(
        self, explanation: Explanation, records: Sequence[Record | None]
    ) -> dict[str, Any]:
        examples = [
            {"before": row.text, "after": value, "name": record.name}
            for row, value, record in zip(
                self._sample.rows, explanation.values, records, strict=True
            )
            if record is not None and value != row.key
        ]
        rule = explanation.rule
        return self._proposal(
            count(records),
            column=explanation.column if rule is None else self._key_column,
            rule=None if rule is None else rule.to_json(),
            examples=examples[:MAX_EXAMPLES],
        )

    @property
    def _key_column(self) -> str:
        columns = {key: column for column, key in self._job.mapping.items()}
        return str(columns[self._action.key])

    def _proposal(self, would_exist: int, **members: Any) -> dict[str, Any]:
        proposal: dict[str, Any] = {
            "target": self._action.key,
            "column": "",
            "rule": None,
            "connection": None,
            "sampled": self._sample.size,
            "exist": self._sample.existing,
            "would_exist": would_exist,
            "examples": [],
        }
        return proposal | members


def notice(
    code: str, message: str, fix: str, proposal: dict[str, Any] | None = None
) -> dict[str, Any]:
    count = proposal["would_exist"] if proposal else 0
    notice = {"code": code, "message": message, "fix": fix, "count": count}
    return notice | ({"proposal": proposal} if proposal else {})


def percent(part: int, total: int) -> str:
    """ "0 %" and "100 %" only if it is exactly so."""
    share = round(100 * part / total)
    if 0 < part < total:
        share = min(99, max(1, share))
    return f"{share} %"
