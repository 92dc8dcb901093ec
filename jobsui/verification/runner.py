"""Asks all questions, one after another, and cleans up."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobsui.verification import (
    reads,
    refusals,
    repeats,
    results,
    values,
    written_records,
)
from jobsui.verification.account import Account
from jobsui.verification.questions import Answer, Probe, Verdict, answer
from jobsui.verification.reads import ObjectReads
from jobsui.verification.scratch import Scratch
from jobsui.verification.unasked import UNASKED
from jobsui.verification.writes import Writes

WRITE_PROBES = (
    *results.PROBES,
    *written_records.PROBES,
    *values.PROBES,
    *refusals.PROBES,
    *repeats.PROBES,
)
NEEDS_SCRATCH = "it needs a scratch object (--scratch)"
INTERRUPTED = "the verification ended before it"


@dataclass(slots=True)
class Verification:
    """One run. `answers` grows while it asks; those of an interrupted run are kept."""

    account: Account
    scratch: Scratch | None = None
    answers: list[Answer] = field(default_factory=list)
    records_left: list[str] = field(default_factory=list)
    """The external IDs of records that may still be there at the end."""

    def run(self, on_question: Callable[[str], None]) -> None:
        """Ask every question; `on_question` gets the ID of each before it is asked.
        Whatever happens, the records on the scratch object are deleted. Raises
        ZendeskError when the account cannot be asked at all."""
        try:
            for probe, subject in self._probes():
                on_question(probe.question.id)
                self.answers.append(answer(probe, subject))
        finally:
            if self.scratch:
                on_question("cleanup")
                self.records_left = self.scratch.external_ids
                self.records_left = self.scratch.clean_up()

    @property
    def count(self) -> int:
        """Questions that are asked in this run."""
        reads_count = len(reads.ACCOUNT_PROBES) + len(reads.OBJECT_PROBES)
        return reads_count + (len(WRITE_PROBES) if self.scratch else 0)

    def all_answers(self) -> list[Answer]:
        """With one for each question that was not asked."""
        return [*self.answers, *self._missing(), *UNASKED]

    def _probes(self) -> Iterator[tuple[Probe[Any], Any]]:
        for account_probe in reads.ACCOUNT_PROBES:
            yield account_probe, self.account
        if self.scratch:
            key = self.scratch.schema.object_key
        else:
            key = reads.first_object(self.account)
        object_reads = ObjectReads(self.account, key)
        for object_probe in reads.OBJECT_PROBES:
            yield object_probe, object_reads
        if self.scratch:
            writes = Writes(self.scratch)
            for write_probe in WRITE_PROBES:
                yield write_probe, writes

    def _missing(self) -> Iterator[Answer]:
        asked = {each.question.id for each in self.answers}
        read_probes: Iterable[Probe[Any]] = (
            *reads.ACCOUNT_PROBES,
            *reads.OBJECT_PROBES,
        )
        for probe in (*read_probes, *WRITE_PROBES):
            if probe.question.id in asked:
                continue
            is_write = probe in WRITE_PROBES and self.scratch is None
            why = NEEDS_SCRATCH if is_write else INTERRUPTED
            yield Answer(probe.question, Verdict.NOT_ASKED, why)
