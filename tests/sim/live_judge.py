"""The judge of comparisons, undos, matches and proofs: what the product has said of records,
beside what the account had shown it. Each oracle is a pure function of a history, and
yields what is wrong."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from jobsui.jobs.enums import SUCCEEDED
from jobsui.jobs.models.record_rows import is_record_row
from jobsui.jobs.timing import Timing
from tests.sim.account import EXPORT_LAG, Applied, Record, Shown
from tests.sim.history import History, Row
from tests.sim.live import Read, ReadRow, Undone
from tests.sim.plan import JobPlan

FIELDS = "custom_object_fields"
GOOD = frozenset(map(str, SUCCEEDED))
DELETES = frozenset({"delete", "delete_by_external_id"})
CHANGED_SINCE = "ChangedSince"
TOLERANCE = 2.0
"""Seconds after the end of a batch in which a change is not told from the batch's own."""
ROUNDED = 0.001
"""Stored times have microseconds."""
MAX_READ = 5.0
"""Seconds that the read before a batch takes, until its attempt begins."""
WHOLE = "*"
"""The claim of a job that has created or deleted a record."""


@dataclass(frozen=True)
class Told:
    """What the product says of a row, and what it was shown of its record before."""

    read: Read
    row: ReadRow
    shown: Shown | None
    """None: nothing."""

    @property
    def values(self) -> Mapping[str, Any] | None:
        """What the record held; None if there was none."""
        version = self.shown.version if self.shown else None
        return version.values if version else None


class Facts:
    """A history in the order in which the oracles need it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.rows: dict[int, dict[int, Row]] = defaultdict(dict)
        """{number of a job: {number of a row: it}}."""
        for row in history.rows:
            self.rows[row.job][row.number] = row
        self.applied: dict[str, list[Applied]] = defaultdict(list)
        self.records: dict[str, Record] = {}
        for account in history.accounts:
            self.records |= account.records
            for each in account.journal:
                self.applied[each.tag].append(each)
        self._shown: dict[tuple[str, str], list[Shown]] = defaultdict(list)
        for shown in history.shown:
            self._shown[shown.by, shown.key].append(shown)

    def plan(self, job: int) -> JobPlan | None:
        """None: it is an undo."""
        return None if job in self.history.undone else self.history.plan.jobs[job]

    def reads(self, purpose: str) -> Iterator[Read]:
        return (read for read in self.history.reads if read.purpose == purpose)

    def shown(self, read: Read, row: ReadRow, by: str, key: str) -> Shown | None:
        """What the process that read a row had learned last of a key."""
        learned = [
            shown
            for shown in self._shown[by, key]
            if shown.process.startswith(read.process)
            and shown.at <= row.read_at + ROUNDED
        ]
        return learned[-1] if learned else None

    def told(self, read: Read) -> Iterator[Told]:
        for row in read.rows:
            by, key = self._key(read, row)
            yield Told(read, row, self.shown(read, row, by, key) if key else None)

    def _key(self, read: Read, row: ReadRow) -> tuple[str, str]:
        """By what a record is read."""
        plan = self.plan(read.job)
        if read.purpose == "undo":
            parent = self.rows[self.history.undone[read.job].parent][row.number]
            return "id", self.present_id(parent.record_id, read.job)
        if read.purpose == "prove" or is_record_row(row.number) or plan is None:
            return "id", row.record_id
        if plan.action == "update":
            return "id", self.rows[read.job][row.number].sent_id
        return "external_id", plan.key(row.number)

    def present_id(self, record_id: str, undo: int) -> str:
        """Which ID a record had when this undo was created: earlier ones may have created
        it again."""
        return self.ids(record_id, undo)[-1]

    def ids(self, record_id: str, undo: int) -> list[str]:
        ids = [record_id]
        for job in self.launched_before(undo):
            undone = self.history.undone.get(job)
            for row in self.rows[job].values() if undone else ():
                former = self.rows[undone.parent].get(row.number) if undone else None
                is_new = row.outcome == "created" and bool(row.record_id)
                # Of a deletion whose response was lost, only what was sent names the record:
                of_former = former and (former.record_id or former.key)
                if is_new and of_former == ids[-1]:
                    ids.append(row.record_id)
        return ids

    def launched_before(self, job: int) -> list[int]:
        launched = self.history.launched
        return launched[: launched.index(job)] if job in launched else launched

    def launched_after(self, job: int) -> list[int]:
        return self.history.launched[self.history.launched.index(job) + 1 :]


def judge(history: History) -> Iterator[tuple[str, str]]:
    """(oracle, what is wrong)."""
    facts = Facts(history)
    for name, oracle in ORACLES.items():
        for what in oracle(facts):
            yield name, what


# Comparisons


def comparisons_are_true(facts: Facts) -> Iterator[str]:
    """A row is said to be the same if its record held exactly that when it was read, and so
    on."""
    for read in facts.reads("compare"):
        plan = facts.plan(read.job)
        assert plan
        for told in facts.told(read):
            expected = _verdict(plan, told)
            if told.row.verdict != expected:
                yield f"{_name(told)} is {told.row.verdict}, {expected} is true"


def _verdict(plan: JobPlan, told: Told) -> str:
    if is_record_row(told.row.number):
        return _verdict_of_record(plan, told.shown)
    values = told.values
    if plan.action in DELETES:
        return "MISSING" if values is None else "DELETE"
    if values is None:
        return "MISSING" if plan.action == "update" else "CREATE"
    return "CHANGE" if _differing(plan.values(told.row.number), values) else "SAME"


def _verdict_of_record(plan: JobPlan, shown: Shown | None) -> str:
    if shown is None or shown.version is None:
        return "GONE"
    if not shown.external_id:
        return "WITHOUT_KEY"
    return "KEPT" if shown.external_id in {key for key, _ in plan.rows} else "DELETE"


def _differing(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> set[str]:
    return {
        name for name, value in wanted.items() if not _is_same(value, held.get(name))
    }


def _is_same(one: object, other: object) -> bool:
    return one == other or (one in {"", None} and other in {"", None})


def _name(told: Told) -> str:
    return f"row {told.row.number} of job {told.read.job} ({told.read.purpose})"


def rows_touch_what_they_name(facts: Facts) -> Iterator[str]:
    """A request changes only fields of the file; after a comparison only those that differ.
    Rows that a person has left out, and rows that need not be sent, are in none."""
    for read in facts.reads("compare"):
        told_by_row = {told.row.number: told for told in facts.told(read)}
        plan = facts.plan(read.job)
        assert plan
        for row in facts.rows[read.job].values():
            told = told_by_row.get(row.number)
            for applied in facts.applied[row.tag]:
                names = set(_fields(applied.item))
                if row.number in plan.left_out and told and told.row.verdict != "SAME":
                    yield f"{row.tag} was left out, and sent"
                if told and row.own_action == "update":
                    wanted = _differing(plan.values(row.number), told.values or {})
                    if names != wanted:
                        yield f"{row.tag} sent {names}, of which {wanted} differ"
    for job, rows in facts.rows.items():
        plan = facts.plan(job)
        for row in rows.values() if plan else ():
            for applied in facts.applied[row.tag]:
                beyond = set(_fields(applied.item)) - set(plan.columns if plan else ())
                if beyond:
                    yield f"{row.tag} sent {beyond}, which its file does not have"
            is_sent = bool(facts.applied[row.tag]) and not row.unconfirmed_attempts
            if row.outcome == "unchanged" and is_sent:
                yield f"{row.tag} is reported as unchanged, and was sent"


def _fields(item: Any) -> Mapping[str, Any]:
    found = item.get(FIELDS) if isinstance(item, Mapping) else None
    return found or {}


def no_row_is_lost_or_twice(facts: Facts) -> Iterator[str]:
    """Jobs, comparisons, undos and proofs have each of their rows once."""
    for read in facts.history.reads:
        found = [row.number for row in read.rows]
        of_file = [number for number in found if not is_record_row(number)]
        wanted = _rows_to_read(facts, read)
        is_choice = read.job in facts.history.undone and _undone(facts, read).fields
        if read.purpose != "compare":
            of_file = found
        is_missing = not is_choice and of_file != wanted
        if (
            is_missing
            or len(set(found)) < len(found)
            or not set(of_file) <= set(wanted)
        ):
            yield f"{read.purpose} of job {read.job} has rows {found}, not {wanted}"
        counts = Counter(row.verdict.lower() for row in read.rows)
        if counts != {name: n for name, n in read.counts.items() if n}:
            yield f"{read.purpose} of job {read.job}: {dict(counts)}, told {read.counts}"
    for job, state in facts.history.states.items():
        plan = facts.plan(job)
        numbers = [row.number for row in facts.history.rows if row.job == job]
        of_file = sorted(number for number in numbers if not is_record_row(number))
        if len(set(numbers)) < len(numbers):
            yield f"job {job} has rows {numbers}"
        elif plan and state == "completed" and of_file != plan.numbers:
            yield f"job {job} has rows {of_file}, not {plan.numbers}"


def _rows_to_read(facts: Facts, read: Read) -> list[int]:
    plan = facts.plan(read.job)
    if read.purpose == "compare" and plan:
        return plan.numbers
    undone = _undone(facts, read) if read.purpose == "undo" else None
    job = undone.parent if undone else read.job
    chosen = undone.rows if undone else None
    # Rows that have changed nothing have nothing to put back.
    outcomes = GOOD - {"unchanged"} if undone else GOOD
    return sorted(
        row.number
        for row in facts.rows[job].values()
        if row.outcome in outcomes and (chosen is None or row.number in chosen)
    )


def _undone(facts: Facts, read: Read) -> Undone:
    return facts.history.undone[read.job]


# What somebody has changed since


def changes_are_left_alone(facts: Facts) -> Iterator[str]:
    """A row that refuses changes is not sent over one that the read before it could see.
    Nothing is deleted that was changed since."""
    for told, row in _strict_rows(facts):
        lag = facts.history.plan.weather.lag_by_id + MAX_READ + _export_age(facts, row)
        if told.shown is None or told.shown.version is None:
            continue
        record = facts.records[told.shown.record_id]
        for own in record.versions:
            began = [at for at in row.sent_at if at <= own.at]
            if own.writer != row.tag or not began:
                continue
            last = record.seen_at(began[-1] - lag)
            if (
                last is None
                or last.at <= told.shown.version.at
                or last.writer == row.tag
            ):
                continue
            if _is_overwritten(row, told, last.values):
                yield f"{row.tag} was sent over a change at {last.at:.1f}"


def refused_rows_have_changed(facts: Facts) -> Iterator[str]:
    """A row that is refused because its record has changed since: it has."""
    for told, row in _strict_rows(facts):
        if row.code != CHANGED_SINCE or told.shown is None:
            continue
        version = told.shown.version
        record = facts.records.get(told.shown.record_id)
        if version is None or record is None:
            continue
        later = [each for each in record.versions if each.at > version.at]
        if not any(each.writer != row.tag for each in later):
            yield f"{row.tag} is refused as changed since, its record has not changed"


def _strict_rows(facts: Facts) -> Iterator[tuple[Told, Row]]:
    for read in facts.history.reads:
        plan = facts.plan(read.job)
        if read.purpose == "prove":
            continue
        for told in facts.told(read):
            row = facts.rows[read.job].get(told.row.number)
            is_deletion = is_record_row(told.row.number)
            is_chosen = plan is None or plan.refuses_changes or plan.watches
            is_strict = is_chosen or is_deletion
            if row is not None and row.own_action and is_strict:
                yield told, row


def _export_age(facts: Facts, row: Row) -> float:
    """For how long the export may not show a change of a record that is not read."""
    plan = facts.plan(row.job)
    if plan is None or not plan.watches or is_record_row(row.number):
        return 0.0
    max_age = facts.history.plan.timing.get("watch_max_age", Timing.watch_max_age)
    return EXPORT_LAG + max_age


def _is_overwritten(row: Row, told: Told, now: Mapping[str, Any] | None) -> bool:
    """Whether a request replaces what is not as it was read, nor as wanted."""
    if now is None:
        return row.own_action != "create"
    read = told.values or {}
    if row.own_action in DELETES:
        return bool(_differing(read, now)) or is_record_row(row.number)
    sent = _fields(row.item)
    return any(
        not _is_same(now.get(name), read.get(name))
        and not _is_same(now.get(name), value)
        for name, value in sent.items()
    )


# Undos


def undos_are_true(facts: Facts) -> Iterator[str]:
    """What an undo restores, keeps and cannot put back, and what it sends for it."""
    for read in facts.reads("undo"):
        undone = _undone(facts, read)
        for told in facts.told(read):
            done = facts.rows[undone.parent][told.row.number]
            if not done.record_id:
                continue
            expected, restored = _undo(facts, read, told, done)
            if expected and told.row.verdict != expected:
                yield (
                    f"{_name(told)} is {told.row.verdict}, {expected} is true: "
                    f"{told.row.reasons}"
                )
                continue
            tag = f"j{read.job}r{told.row.number - 1}"
            for applied in facts.applied[tag]:
                if expected == "CHANGE" and dict(_fields(applied.item)) != restored:
                    yield f"{tag} sent {applied.item}, {restored} was there before"
                if expected not in {"", "CHANGE", "CREATE", "DELETE"}:
                    yield f"{tag} was sent, though it is {expected}"


def _undo(
    facts: Facts, read: Read, told: Told, done: Row
) -> tuple[str, Mapping[str, Any]]:
    """(the verdict, what is put back). "": it depends on undos of later jobs."""
    now = told.values
    claims = _Claims(facts, read.job, done)
    match done.outcome:
        case "created":
            return _undo_create(now, told, done, claims), {}
        case "deleted":
            return _undo_delete(facts, read, told, done), {}
        case "updated" if done.before is not None:
            return _undo_update(facts, read, now, done, claims)
    return "IMPOSSIBLE", {}


def _undo_create(
    now: Mapping[str, Any] | None, told: Told, done: Row, claims: "_Claims"
) -> str:
    if now is None:
        return "SAME"
    sent = _fields(done.item)
    if claims.may_be_any and not claims.is_any:
        return ""
    assert told.shown
    assert told.shown.version
    others = {name for name, value in now.items() if value not in ("", None)} - set(
        sent
    )
    is_changed_since = floor(told.shown.version.at) > done.done_at + TOLERANCE
    if claims.is_any or _differing(sent, now) or (others and is_changed_since):
        return "KEPT"
    return "DELETE"


def _undo_delete(facts: Facts, read: Read, told: Told, done: Row) -> str:
    if told.values is not None:
        return "SAME"
    if done.before is None:
        return "IMPOSSIBLE"
    key = str(done.before.get("external_id") or "")
    other = facts.shown(read, told.row, "external_id", key) if key else None
    return "KEPT" if other and other.version else "CREATE"


def _undo_update(
    facts: Facts,
    read: Read,
    now: Mapping[str, Any] | None,
    done: Row,
    claims: "_Claims",
) -> tuple[str, Mapping[str, Any]]:
    if now is None:
        return "IMPOSSIBLE", {}
    chosen = _undone(facts, read).fields
    sent = _fields(done.item)
    restored: dict[str, Any] = {}
    is_kept = False
    for name, old in (done.before or {}).items():
        is_chosen = chosen is None or f"{FIELDS}.{name}" in chosen
        if not is_chosen or _is_same(old, now.get(name)):
            continue
        if claims.may_be(name) and not claims.is_certain(name):
            return "", {}
        if claims.is_certain(name) or not _is_same(sent.get(name), now.get(name)):
            is_kept = True
        else:
            restored[name] = old
    if restored:
        return "CHANGE", restored
    return ("KEPT" if is_kept else "SAME"), {}


class _Claims:
    """Which later jobs have written a record, or found it as it should be. What an undo of
    them has ended is not judged."""

    def __init__(self, facts: Facts, undo: int, done: Row) -> None:
        ids = facts.ids(done.record_id, undo)
        later = [
            job
            for job in facts.launched_after(done.job)
            if job in facts.launched_before(undo)
        ]
        undone = {
            facts.history.undone[job].parent
            for job in facts.history.undone
            if job in later
        }
        self._certain: set[str] = set()
        self._possible: set[str] = set()
        for job in later:
            for row in facts.rows[job].values():
                if row.outcome not in GOOD or row.record_id not in ids:
                    continue
                names = _claimed_names(facts, row)
                self._possible |= names
                if job not in undone and facts.plan(job):
                    self._certain |= names

    @property
    def is_any(self) -> bool:
        return bool(self._certain)

    @property
    def may_be_any(self) -> bool:
        return bool(self._possible)

    def is_certain(self, name: str) -> bool:
        return not self._certain.isdisjoint({name, WHOLE})

    def may_be(self, name: str) -> bool:
        return not self._possible.isdisjoint({name, WHOLE})


def _claimed_names(facts: Facts, row: Row) -> set[str]:
    plan = facts.plan(row.job)
    if plan is None:
        return set(_fields(row.item)) | {WHOLE}
    action = row.own_action or row.action
    return {WHOLE} if action == "create" or action in DELETES else set(plan.columns)


# Matches and proofs


def matches_are_complete(facts: Facts) -> Iterator[str]:
    """Each record that only the account has is found once, and nothing else is deleted."""
    for read in facts.reads("compare"):
        plan = facts.plan(read.job)
        if plan is None or not plan.matches or not read.rows:
            continue
        keys = {key for key, _ in plan.rows}
        found = [row.record_id for row in read.rows if is_record_row(row.number)]
        if len(set(found)) < len(found):
            yield f"job {read.job} has found a record twice: {found}"
        lag = facts.history.plan.weather.lag_by_id
        ended_at = max(row.read_at for row in read.rows)
        for record in facts.records.values():
            was_there = record.seen_at(read.began_at - lag)
            died = [each.at for each in record.versions if each.values is None]
            is_there = was_there is not None and min(died, default=ended_at) >= ended_at
            if is_there and record.external_id not in keys and record.id not in found:
                yield f"job {read.job} has not found {record.id} {record.external_id}"
        yield from _wrong_deletions(facts, read, keys)


def _wrong_deletions(facts: Facts, read: Read, keys: set[str]) -> Iterator[str]:
    for row in facts.rows[read.job].values():
        for applied in facts.applied[row.tag] if is_record_row(row.number) else ():
            key = facts.records[applied.record_id].external_id
            if not key or key in keys or applied.action != "delete":
                yield f"{row.tag} has deleted {applied.record_id} {key}"


def proofs_are_true(facts: Facts) -> Iterator[str]:
    for read in facts.reads("prove"):
        for told in facts.told(read):
            row = facts.rows[read.job][told.row.number]
            if not told.row.record_id:
                continue
            expected = _landing(row, told)
            if told.row.verdict != expected:
                yield f"{_name(told)} is {told.row.verdict}, {expected} is true"


def _landing(row: Row, told: Told) -> str:
    now = told.values
    if (row.own_action or row.action) in DELETES:
        return "EXACT" if now is None else "STILL_THERE"
    if now is None or told.shown is None or told.shown.version is None:
        return "GONE"
    sent = _fields(row.item)
    if _differing(sent, now):
        is_since = floor(told.shown.version.at) > row.done_at + TOLERANCE
        return "CHANGED_SINCE" if is_since else "ALTERED"
    is_exact = all(value == now.get(name) for name, value in sent.items())
    return "EXACT" if is_exact else "OTHER_FORM"


ORACLES: dict[str, Callable[[Facts], Iterator[str]]] = {
    "LC": comparisons_are_true,
    "LF": rows_touch_what_they_name,
    "LR": no_row_is_lost_or_twice,
    "LD": changes_are_left_alone,
    "LX": refused_rows_have_changed,
    "LU": undos_are_true,
    "LM": matches_are_complete,
    "LP": proofs_are_true,
}
