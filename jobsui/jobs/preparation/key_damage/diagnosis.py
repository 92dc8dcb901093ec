"""Finds what is wrong with the keys of a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.agreement import Agreement
from jobsui.jobs.mapping.key_rewritings import ENOUGH, MIN_REWRITTEN, rises_clearly
from jobsui.jobs.mapping.repairs import GROUPED
from jobsui.jobs.models import Job
from jobsui.jobs.preparation.key_damage import other_accounts
from jobsui.jobs.preparation.key_damage.contents import Contents
from jobsui.jobs.preparation.key_damage.explanations import Explanation, Explanations
from jobsui.jobs.preparation.key_damage.look_ups import LookUps
from jobsui.jobs.preparation.key_damage.notices import Notices
from jobsui.jobs.preparation.key_damage.sample import Sample, count
from jobsui.jobs.preparation.sampled_rows import SampledRow, spread
from jobsui.zendesk.custom_objects import PAGE_SIZE

MIN_KEYS = 10
"""Fewer keys prove nothing."""
CONFIRMING_REQUESTS = 4
"""Requests that are kept for the best two explanations."""
MAX_CONFIRMED = 2
SCREENED = 40
"""With how many keys each explanation is tried at first."""
MIN_SCREENED_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Diagnosis:
    notice: dict[str, Any] | None = None
    """What is wrong with the keys; None if nothing is."""
    unproven_share: float | None = None
    """The share of the keys that have a record, if a job would delete these records and
    nothing shows whether they are those that its file means."""


def diagnose(job: Job, rows: Sequence[SampledRow], look_ups: LookUps) -> Diagnosis:
    """`rows`: from all over the file. Raises what the look-ups raise."""
    action = Action(job.action)
    rows = [row for row in rows if "," not in row.key or GROUPED.fullmatch(row.key)]
    if len(rows) < MIN_KEYS:
        return Diagnosis()
    records = look_ups.records(action.key, [row.key for row in rows])
    sample = Sample(rows, records)
    search = _Search(job, sample, look_ups)
    if sample.share < ENOUGH:
        return Diagnosis(search.explained() or search.unexplained())
    if action is Action.UPDATE:
        # No other account has the same Zendesk IDs.
        return Diagnosis()
    match search.contents():
        case Agreement.AGREES:
            return Diagnosis()
        case Agreement.DISAGREES:
            return Diagnosis(search.contradicted())
        case Agreement.UNKNOWN:
            return Diagnosis(unproven_share=sample.share if action.deletes else None)


class _Search:
    """Searches for the reason why the keys of a sample have no records, or wrong ones."""

    def __init__(self, job: Job, sample: Sample, look_ups: LookUps) -> None:
        self._job = job
        self._action = Action(job.action)
        self._sample = sample
        self._look_ups = look_ups
        self._contents = Contents(job)
        self._notices = Notices(job, sample)
        self._doubtful: dict[Agreement, tuple[Explanation, int]] = {}
        """{DISAGREES, UNKNOWN: (the best explanation whose records have these contents, how many
        records it finds)}."""

    def contents(self) -> Agreement:
        """Whether the records that exist hold what the rows have."""
        return self._contents.agreement(self._sample.rows, self._sample.records)

    def contradicted(self) -> dict[str, Any] | None:
        """A notice about keys that exist with other contents."""
        return self._in_other_account(is_contradicted=True) or self._other_contents()

    def explained(self) -> dict[str, Any] | None:
        """A notice with an explanation that finds many more records, if these hold what the rows
        have."""
        for explanation in self._screened():
            records = self._look_ups.records(explanation.key, explanation.values)
            after = count(records)
            if not rises_clearly(self._sample.existing, after, self._sample.size):
                continue
            contents = self._contents.agreement(
                self._sample.rows, records, without=self._sample.records
            )
            if contents is Agreement.AGREES:
                return self._notices.would_match(explanation, records)
            self._doubtful.setdefault(contents, (explanation, after))
        return None

    def unexplained(self) -> dict[str, Any] | None:
        """A notice about keys that no explanation accounts for."""
        contents = self.contents()
        if contents is Agreement.AGREES:
            return None
        unproven = self._doubtful.get(Agreement.UNKNOWN)
        other = self._doubtful.get(Agreement.DISAGREES)
        is_contradicted = other is not None or (
            contents is Agreement.DISAGREES and self._sample.existing >= MIN_KEYS
        )
        notice = None
        if is_contradicted or not self._action.is_upsert:
            notice = self._in_other_account()
        if notice is None and unproven:
            notice = self._notices.would_match_unproven(*unproven)
        if notice is None and other:
            notice = self._notices.would_match_others(*other)
        if notice is None and contents is Agreement.DISAGREES:
            notice = self._other_contents()
        return notice or self._notices.not_in_account()

    def _other_contents(self) -> dict[str, Any] | None:
        """A notice if the records hold other values than the file. Few records may do so by
        chance."""
        if self._sample.existing < MIN_KEYS:
            return None
        figures = self._contents.figures(self._sample.rows, self._sample.records)
        return self._notices.other_contents(figures)

    def _in_other_account(
        self, *, is_contradicted: bool = False
    ) -> dict[str, Any] | None:
        found = other_accounts.find(
            self._job,
            self._sample,
            self._look_ups,
            self._contents,
            is_contradicted=is_contradicted,
        )
        if found is None:
            return None
        return self._notices.in_other_account(found, is_contradicted=is_contradicted)

    def _screened(self) -> list[Explanation]:
        """The explanations that find the most records, best first. They are tried with some of the
        rows that have none."""
        tried = self._to_try()
        for key in ("id", "external_id"):
            self._look_ups.look_up(
                key,
                [
                    explanation.values[index]
                    for explanation, indexes in tried
                    for index in indexes
                    if explanation.key == key
                ],
            )
        shares = []
        for explanation, indexes in tried:
            found = count(
                self._look_ups.record(explanation.key, explanation.values[index])
                for index in indexes
            )
            if found >= MIN_SCREENED_SHARE * len(indexes):
                shares.append((found / len(indexes), explanation))
        best = sorted(shares, key=lambda share: share[0], reverse=True)
        return [explanation for _, explanation in best[:MAX_CONFIRMED]]

    def _to_try(self) -> list[tuple[Explanation, list[int]]]:
        """(explanation, indexes of the rows to try it with), as many as there are requests for."""
        found = []
        for explanation in Explanations(self._job, self._sample):
            changed = self._changed(explanation)
            if len(changed) >= MIN_REWRITTEN * len(self._sample.missing):
                found.append((explanation, spread(changed, SCREENED)))
        # The last request for each of the two kinds of keys need not be full.
        requests = self._look_ups.requests_left - CONFIRMING_REQUESTS - 1
        return found[: max(0, requests) * PAGE_SIZE // SCREENED]

    def _changed(self, explanation: Explanation) -> list[int]:
        """The indexes of the rows without a record that get another key."""
        rows = self._sample.rows
        values = explanation.values
        is_own_kind = explanation.key == self._action.key
        return [
            index
            for index in self._sample.missing
            if values[index] and not (is_own_kind and values[index] == rows[index].key)
        ]
