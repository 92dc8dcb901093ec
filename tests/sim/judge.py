"""The judge: what must be true of a history, told by the content of the account. Each
oracle is a pure function of a history, and yields what is wrong."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from jobsui.jobs.enums import OVER, SUCCEEDED
from tests.sim.account import DEADLOCK, OTHER, Applied, Version
from tests.sim.history import History

GOOD = frozenset(map(str, SUCCEEDED))
UNKNOWN = frozenset({"uncertain"})
KNOWN: frozenset[str] = frozenset()
"""Oracles that still speak: the order of values across jobs (docs/faults.md)."""


def judge(history: History) -> list[tuple[str, str]]:
    """(oracle, what is wrong) of everything that is not as it must be."""
    found = list(history.faults)
    for name, oracle in ORACLES.items():
        found += [(name, what) for what in oracle(history)]
    return found


def new_faults(history: History) -> list[tuple[str, str]]:
    """`judge`, without what is known."""
    return [found for found in judge(history) if found[0] not in KNOWN]


def _applied(history: History) -> dict[str, list[Applied]]:
    by_tag: dict[str, list[Applied]] = defaultdict(list)
    assert history.account
    for each in history.account.journal:
        by_tag[each.tag].append(each)
    return by_tag


def successes_were_applied(history: History) -> Iterator[str]:
    applied = _applied(history)
    for row in history.rows:
        if row.outcome in GOOD and not applied.get(row.tag):
            if row.outcome == "deleted" and row.unconfirmed_attempts:
                continue
            yield f"{row.tag} {row.key} is reported as {row.outcome}, never applied"


def failures_were_not_applied(history: History) -> Iterator[str]:
    applied = _applied(history)
    for row in history.rows:
        if row.outcome in GOOD | UNKNOWN:
            continue
        if applied.get(row.tag):
            yield f"{row.tag} {row.key} is reported as {row.outcome} {row.code}, applied"


def record_ids_are_right(history: History) -> Iterator[str]:
    applied = _applied(history)
    for row in history.rows:
        ids = {each.record_id for each in applied.get(row.tag, [])}
        if row.outcome in GOOD and row.record_id and ids and row.record_id not in ids:
            yield f"{row.tag} {row.key} is reported as {row.record_id}, applied to {ids}"


def values_are_in_order(history: History) -> Iterator[str]:
    """Of each key, the last of our writes is of the job launched last."""
    launched = [job.launch_at for job in history.plan.jobs]
    for key, versions in _versions_by_key(history).items():
        ours = [version.writer for version in versions if version.writer != OTHER]
        order = [launched[_job_of(writer)] for writer in ours]
        if order and order[-1] < max(order):
            yield f"{key} was written in this order: {' '.join(ours)}"


def _versions_by_key(history: History) -> dict[str, list[Version]]:
    """What was written to the records of each external id, in the order of time."""
    assert history.account
    by_key: dict[str, list[Version]] = defaultdict(list)
    for record in history.account.records.values():
        by_key[record.external_id or record.id] += record.versions
    return {
        key: sorted(versions, key=lambda version: version.at)
        for key, versions in by_key.items()
    }


def _job_of(tag: str) -> int:
    return int(tag[1 : tag.index("r")])


def repeats_overwrite_no_edit(history: History) -> Iterator[str]:
    """No own write, foreign write, own write of the same row on one record."""
    assert history.account
    for record in history.account.records.values():
        seen: set[str] = set()
        edited: set[str] = set()
        for version in record.versions:
            if version.writer == OTHER:
                edited |= seen
            elif version.writer in edited:
                yield f"{version.writer} was repeated over an edit of another program"
            seen.add(version.writer)


def passing_failures_are_sent_again(history: History) -> Iterator[str]:
    for row in history.rows:
        if row.outcome == "failed" and row.code == DEADLOCK and row.attempts < 2:
            yield f"{row.tag} failed by a deadlock and was not sent again"


def rows_are_applied_once(history: History) -> Iterator[str]:
    applied = _applied(history)
    versions = _versions_by_key(history)
    for row in history.rows:
        times = len(applied.get(row.tag, []))
        writers = {version.writer for version in versions.get(row.key, [])}
        if row.action == "create" and row.key and writers - {row.tag, OTHER}:
            continue  # Another job deleted the record: the order of jobs (T4).
        allowed = 1 if row.action == "create" else 1 + row.unconfirmed_attempts
        if row.action == "create" and not row.key:
            allowed = 1 + row.unconfirmed_attempts
        if times > allowed:
            yield f"{row.tag} was applied {times} times, {allowed} allowed"


def every_job_ends(history: History) -> Iterator[str]:
    for number, state in history.states.items():
        if state not in OVER:
            yield f"job {number} is {state} at {history.ended_at:.0f} s"


def every_row_has_a_result(history: History) -> Iterator[str]:
    for row in history.rows:
        is_over = history.states[row.job] in OVER
        if is_over and row.outcome == "pending":
            yield f"{row.tag} is pending though its job is over"


ORACLES: dict[str, Callable[[History], Iterator[str]]] = {
    "T0": rows_are_applied_once,
    "T1": successes_were_applied,
    "T2": failures_were_not_applied,
    "T3": record_ids_are_right,
    "T4": values_are_in_order,
    "T5": repeats_overwrite_no_edit,
    "T7": passing_failures_are_sent_again,
    "L": every_job_ends,
    "S": every_row_has_a_result,
}


def uncertain_share(history: History) -> float:
    uncertain = sum(row.outcome in UNKNOWN for row in history.rows)
    return uncertain / max(1, len(history.rows))
