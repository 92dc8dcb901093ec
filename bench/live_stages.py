"""One run of bench.live, beside a running product: `python -m bench.live_stages PLAN`. PLAN is
JSON: {"stage", "rows", "changed", "product", "sandbox", "sandbox_url"}; "product" and "sandbox"
are the IDs of their processes. What a stage finds must be
exactly what its account and file call for, else the stage ends."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import django

django.setup()

from bench import live_account, scenario  # noqa: E402
from bench.live_account import COLUMNS, Account, Record, key_of, record  # noqa: E402
from bench.meter import Meter  # noqa: E402
from bench.processes import say, wait_for_end  # noqa: E402
from jobsui.connections.models import Connection  # noqa: E402
from jobsui.jobs.control import actions, comparisons, drafts, proofs, undo  # noqa: E402
from jobsui.jobs.enums import Action, FileState, JobState, Landing, ReadState, Verdict  # noqa: E402
from jobsui.jobs.live import reasons  # noqa: E402
from jobsui.jobs.mapping.field_targets import FIELD  # noqa: E402
from jobsui.jobs.mapping.options import Match, Options  # noqa: E402
from jobsui.jobs.models import Job, RecordRead  # noqa: E402
from jobsui.jobs.preparation import checker, uploads  # noqa: E402
from jobsui.jobs.reports import proved_rows, undone_rows  # noqa: E402
from jobsui.jobs.reports.undone_rows import UndoList  # noqa: E402
from jobsui.paging import Page  # noqa: E402

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
DELETE = Action.DELETE_BY_EXTERNAL_ID
ROWS_PER_PAGE = 1_000
FIRST_ROW = 2
"""Of a file: the header is row 1."""
ALTERED = 12
DROPPED = 5

type Lists = dict[str, dict[int, tuple[Sequence[str], str]]]
"""By the name of a list: {row: (the fields that are changed, what is kept and why)}."""


@dataclass(frozen=True, slots=True)
class Stage:
    rows: int
    changed: int
    """Percent of the rows of a file that differ from the account."""
    account: Account
    connection: Connection
    meter: Meter

    def checked(
        self,
        records: Iterable[Record],
        action: Action = UPSERT,
        columns: Sequence[str] = COLUMNS,
        **options: Any,
    ) -> Job:
        """A draft whose rows are these records."""
        content = live_account.file_of(records, columns)
        file = uploads.receive(content, "rows.csv", by=None)
        scenario.wait(partial(scenario.is_other, file, FileState.READING))
        own = {field["key"] for field in live_account.FIELDS}
        job = drafts.create_draft(
            self.connection,
            live_account.KEY,
            action,
            file,
            by=None,
            mapping={
                name: f"{FIELD}{name}" if name in own else name for name in columns
            },
            options=Options(**options),
        )
        checker.start(job, by=None)
        scenario.wait(partial(scenario.is_other, job, JobState.CHECKING))
        require(job.state, JobState.READY, job.reason)
        return job

    def send(self, step: str, job: Job) -> None:
        """And wait until the history has its records, which counts for no step."""
        self.meter.step(step, partial(_launch, job))
        scenario.wait(partial(_is_indexed, job))

    def differing(self, number: int) -> bool:
        return number % (100 // self.changed) == 0

    def file(self, numbers: Iterable[int]) -> Iterator[Record]:
        """These records, some of them with another price."""
        for number in numbers:
            other = {"price": 9.25} if self.differing(number) else {}
            yield record(number, **other)


def send(stage: Stage) -> None:
    """All rows, although few differ."""
    job = _checked(stage)
    stage.send("send all", job)
    require(len(stage.account.written()), stage.rows, "records written")


def compare(stage: Stage) -> None:
    """Only what differs; then the proof and the undo."""
    job = _checked(stage)
    wanted = {key_of(each) for each in range(stage.rows) if stage.differing(each)}
    read = stage.meter.step("compare", lambda: _read(comparisons.start(job, by=None)))
    same = stage.rows - len(wanted)
    require(read.counts, {"same": same, "change": len(wanted)}, "compared")
    stage.send("send what differs", job)
    require(stage.account.written(), wanted, "records written")
    proof = stage.meter.step("prove", lambda: _read(proofs.start(job, by=None)))
    require(proof.counts, {"exact": stage.rows}, "proved")
    undone = stage.meter.step("plan undo", lambda: _undo_of(job))
    stage.send("undo", undone)
    require(undone.counts["updated"], len(wanted), "records put back")


def match(stage: Stage) -> None:
    """The account is made to match a file that lacks one record in fifty."""
    stage.account.add(map(record, range(stage.rows)))
    missing = set(range(7, stage.rows, 50))
    new = range(stage.rows, stage.rows + stage.rows // 100)
    numbers = [*(each for each in range(stage.rows) if each not in missing), *new]
    choice = Match(only_in_account="delete", max_percent=5, max_records=stage.rows)
    job = stage.checked(stage.file(numbers), match=choice)
    # Such a job is compared by itself after the check.
    scenario.wait(lambda: comparisons.current(job) is not None)
    read = stage.meter.step("list and compare", lambda: _read(comparisons.current(job)))
    require(read.counts["delete"], len(missing), "only in the account")
    stage.send("send and delete", job)
    contents = stage.account.contents()
    require(contents, by_key(stage.file(numbers)), "the account")


def prove(stage: Stage) -> None:
    """The account silently stores something else in a few records."""
    stage.account.add(map(record, range(stage.rows)))
    columns = ("external_id", "notes", "price")
    rows = [record(each, notes="New", price=9.25) for each in range(stage.rows)]
    step = stage.rows // (ALTERED + DROPPED)
    keys = [key_of(each * step) for each in range(ALTERED + DROPPED)]
    faults = {"altered-values": keys[:ALTERED], "dropped-values": keys[ALTERED:]}
    stage.account.ask(
        "faults", {name: {"rate": 1, "keys": some} for name, some in faults.items()}
    )
    job = stage.checked(rows, columns=columns, keep_undo=True)
    stage.send("send all", job)
    proof = stage.meter.step("prove", lambda: _read(proofs.start(job, by=None)))
    made = stage.account.ask("alterations")["alterations"]
    require(len(made), ALTERED + DROPPED, "altered records")
    wanted = {
        each["external_id"]: (Landing.ALTERED, each["field"], str(each["stored"]))
        for each in made
    }
    found = {
        row.key: (row.landing, value.name.rpartition(".")[2], value.new)
        for row in _all(partial(proved_rows.page, proof, size=ROWS_PER_PAGE))
        for value in row.values
    }
    require(found, wanted, "records that are not as sent")
    landed = stage.rows - len(made)
    require(proved_rows.proved(proof).landed, landed, "records as sent")


def put_back(stage: Stage) -> None:
    """An update of all rows, a creation and a deletion are undone after somebody has edited
    50 of their records; then the undos are undone."""
    few = stage.rows // 10
    updated = range(stage.rows)
    deleted = range(stage.rows, stage.rows + few)
    created = range(stage.rows + few, stage.rows + 2 * few)
    account = stage.account
    account.add(map(record, [*updated, *deleted]))
    before = account.contents()
    meter = stage.meter

    jobs = {
        "update": stage.checked(
            (record(each, notes="New", price=9.25) for each in updated),
            columns=("external_id", "notes", "price"),
        ),
    }
    _read(comparisons.start(jobs["update"], by=None))
    stage.send("update", jobs["update"])
    jobs["create"] = stage.checked(
        map(record, created),
        Action.CREATE,
        columns=[column for column in COLUMNS if column != "supplier"],
    )
    stage.send("create", jobs["create"])
    jobs["delete"] = stage.checked(
        map(record, deleted), DELETE, columns=("external_id",), keep_undo=True
    )
    stage.send("delete", jobs["delete"])

    edits = Edits.of(updated, created, deleted)
    edits.make(account)
    edited = account.contents()
    undos = {}
    for name in reversed(jobs):
        draft = meter.step(f"plan undo of {name}", partial(_undo_of, jobs[name]))
        require(_lists(draft), edits.lists[name], f"planned undo of {name}")
        stage.send(f"undo {name}", draft)
        undos[name] = draft
        require(_lists(draft), edits.lists[name], f"undo of {name}")
    require(account.contents(), edits.after_undo(before, edited), "after the undos")
    for name in reversed(undos):
        draft = meter.step(
            f"plan undo of undo of {name}", partial(_undo_of, undos[name])
        )
        stage.send(f"undo undo of {name}", draft)
    require(account.contents(), edited, "after the undo of the undos")


@dataclass(frozen=True, slots=True)
class Edits:
    """What somebody does to 50 records of three jobs, and the lists of the undos of these."""

    updated: range
    created: range
    deleted: range
    price: Sequence[int]
    """Updated records whose price is edited."""
    both: Sequence[int]
    """Updated records whose price and notes are edited."""
    gone: Sequence[int]
    """Updated records that are deleted."""
    new_price: Sequence[int]
    """Created records whose price is edited."""
    filled: Sequence[int]
    """Created records whose supplier is filled."""
    taken: Sequence[int]
    """Deleted records whose external ID another record gets."""

    @classmethod
    def of(cls, updated: range, created: range, deleted: range) -> "Edits":
        some = updated[:: len(updated) // 35]
        few = created[:: len(created) // 10]
        return cls(
            updated,
            created,
            deleted,
            price=some[:20],
            both=some[20:30],
            gone=some[30:35],
            new_price=few[:5],
            filled=few[5:10],
            taken=deleted[:: len(deleted) // 5][:5],
        )

    def make(self, account: Account) -> None:
        account.edit(_edit(each, price=77) for each in [*self.price, *self.new_price])
        account.edit(_edit(each, price=77, notes="Edited") for each in self.both)
        # Later than the clocks may differ.
        account.edit((_edit(each, supplier="Edited") for each in self.filled), age=-60)
        account.delete({"external_id": key_of(each)} for each in self.gone)
        account.add(record(each, notes="Another") for each in self.taken)

    def after_undo(
        self, before: dict[str, Record], edited: Mapping[str, Record]
    ) -> dict[str, Record]:
        """The account as before, except for what was edited."""
        stays = (*self.both, *self.new_price, *self.filled, *self.taken)
        after = before | {key_of(each): edited[key_of(each)] for each in stays}
        after |= {key_of(each): record(each, price=77) for each in self.price}
        return {key: after[key] for key in after.keys() - set(map(key_of, self.gone))}

    @property
    def lists(self) -> Mapping[str, Lists]:
        """By job."""
        by_somebody = f"Changed since by user {live_account.SOMEBODY}:"
        price = f"{by_somebody} Price."
        both = f"{by_somebody} Notes, Price."
        filled = "Other fields of the record were filled since."
        taken = "Another record has this external ID now."
        gone = "The record has been deleted since."
        restored = _rows(self.updated, self.updated, ("notes", "price"))
        restored |= _rows(self.updated, self.price, ("notes",), price)
        return {
            "update": {
                "restored": _without(restored, self.updated, self.both, self.gone),
                "kept": _rows(self.updated, self.both, (), both),
                "impossible": _rows(self.updated, self.gone, (), gone),
            },
            "create": {
                "restored": _without(
                    _rows(self.created, self.created),
                    self.created,
                    self.new_price,
                    self.filled,
                ),
                "kept": _rows(self.created, self.new_price, (), price)
                | _rows(self.created, self.filled, (), filled),
                "impossible": {},
            },
            "delete": {
                "restored": _without(
                    _rows(self.deleted, self.deleted), self.deleted, self.taken
                ),
                "kept": _rows(self.deleted, self.taken, (), taken),
                "impossible": {},
            },
        }


def _edit(number: int, **fields: Any) -> Record:
    return {"external_id": key_of(number), "custom_object_fields": fields}


def _rows(
    file: range, numbers: Iterable[int], fields: Sequence[str] = (), why: str = ""
) -> dict[int, tuple[Sequence[str], str]]:
    """By the row of the file."""
    return {file.index(each) + FIRST_ROW: (fields, why) for each in numbers}


def _without(
    listed: dict[int, tuple[Sequence[str], str]],
    file: range,
    *some: Iterable[int],
) -> dict[int, tuple[Sequence[str], str]]:
    others = {row for numbers in some for row in _rows(file, numbers)}
    return {row: listed[row] for row in listed.keys() - others}


def _lists(job: Job) -> Lists:
    """Those of an undo, planned or done."""
    read = undo.current(job)
    assert read is not None
    read.refresh_from_db()
    return {
        str(each): {
            found.row: (_fields(found), reasons.sentences(found.reasons))
            for found in _all(partial(undone_rows.page, read, each, size=ROWS_PER_PAGE))
        }
        for each in UndoList
    }


def _fields(found: undone_rows.UndoneRow) -> Sequence[str]:
    """Those that are changed."""
    if found.compared.verdict is not Verdict.CHANGE:
        return ()
    return tuple(value.name.rpartition(".")[2] for value in found.compared.values)


def _all[Row](page_after: Callable[..., Page[Row]]) -> Iterator[Row]:
    after = "0"
    while after:
        page = page_after(after=int(after))
        yield from page.entries
        after = page.older


def _checked(stage: Stage) -> Job:
    stage.account.add(map(record, range(stage.rows)))
    return stage.meter.step(
        "read and check", lambda: stage.checked(stage.file(range(stage.rows)))
    )


def _launch(job: Job) -> None:
    actions.launch(job, by=None)
    scenario.wait(partial(scenario.is_over, job))
    require(job.state, JobState.COMPLETED, job.reason)


def _undo_of(job: Job) -> Job:
    """A draft, when it is known what it can put back."""
    draft = undo.create(job, by=None)
    _read(undo.current(draft))
    return draft


def _read(read: RecordRead | None) -> RecordRead:
    """The read, when it is done."""
    assert read is not None
    scenario.wait(partial(_has_ended, read))
    require(read.state, ReadState.DONE, read.reason)
    return read


def _has_ended(read: RecordRead) -> bool:
    read.refresh_from_db()
    return not read.is_open


def _is_indexed(job: Job) -> bool:
    job.refresh_from_db()
    return job.indexed_at is not None


def by_key(records: Iterable[Record]) -> dict[str, Record]:
    return {each["external_id"]: each for each in records}


class Unexpected(Exception):
    """A stage has found something else than there is."""


def require(found: object, wanted: object, what: str) -> None:
    """End the stage unless it is so."""
    if found != wanted:
        raise Unexpected(f"{what}: {_shown(found)} instead of {_shown(wanted)}")


def _shown(value: object) -> str:
    return repr(value)[:500]


STAGES: Mapping[str, Callable[[Stage], None]] = {
    "send": send,
    "compare": compare,
    "match": match,
    "prove": prove,
    "undo": put_back,
}


def main() -> None:
    plan = json.loads(sys.argv[1])
    account = Account(plan["sandbox_url"])
    connection = scenario.connection(
        urlsplit(plan["sandbox_url"]).netloc,
        requests_per_minute=live_account.REQUESTS_PER_MINUTE,
        share=100,
    )
    meter = Meter(plan["product"], plan["sandbox"], account)
    stage = Stage(plan["rows"], plan["changed"], account, connection, meter)
    problem = ""
    try:
        STAGES[plan["stage"]](stage)
    except Unexpected as found:
        problem = str(found)
    say(steps=meter.steps, problem=problem)
    wait_for_end()


if __name__ == "__main__":
    main()
