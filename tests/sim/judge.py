"""The judge: what must be true of a history, told by the content of the account. Each
oracle is a pure function of a history, and yields what is wrong."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from jobsui.jobs.enums import OVER, SUCCEEDED
from tests.sim import live_judge
from tests.sim.account import DEADLOCK, OTHER, Applied, Record, Version
from tests.sim.history import History, Row

GOOD = frozenset(map(str, SUCCEEDED))
MAX_IDLE_REQUESTS = 100
MAX_IDLE_COMMITS = 30
"""In a minute of waiting: a poll a second, a reconciliation every two, and a renewal of the lease
every five, on each account."""
MINUTE = 60.0
COMPARED = frozenset({"tag", "value", "colour", "note"})
"""The fields of records."""
UNKNOWN = frozenset({"uncertain"})
MAX_UNSEEN = 130.0
"""Seconds from the read of a record to the write, if the request is late and its job crawls."""
MAX_READ = 5.0
"""Seconds that the read before a batch takes, until its attempt begins."""


def judge(history: History) -> list[tuple[str, str]]:
    """(oracle, what is wrong) of everything that is not as it must be."""
    found = list(history.faults)
    for name, oracle in ORACLES.items():
        found += [(name, what) for what in oracle(history)]
    if history.plan.is_live:
        found += live_judge.judge(history)
    return found


def _applied(history: History) -> dict[str, list[Applied]]:
    by_tag: dict[str, list[Applied]] = defaultdict(list)
    for account in history.accounts:
        for each in account.journal:
            by_tag[each.tag].append(each)
    return by_tag


def successes_were_applied(history: History) -> Iterator[str]:
    applied = _applied(history)
    for row in history.rows:
        if row.outcome == "unchanged":
            continue
        if row.outcome in GOOD and not applied.get(row.tag):
            # Another job may have written the same.
            may_be_others = row.outcome == "deleted" or history.plan.is_live
            if may_be_others and row.unconfirmed_attempts:
                continue
            yield f"{row.tag} {row.key} is reported as {row.outcome}, never applied"


def failures_were_not_applied(history: History) -> Iterator[str]:
    applied = _applied(history)
    # A retry may have applied what failed before.
    explained = {row.tag for row in history.rows if row.outcome in GOOD | UNKNOWN}
    for row in history.rows:
        is_open = row.outcome == "pending" and history.states[row.job] not in OVER
        if row.tag in explained or is_open:
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
    """Of each key, the last of our writes is of the job launched last. A retry sends the
    rows of its parent, launched later, and a person may have others resent."""
    sent_again = history.resent_by_persons.keys() | _tags_of_children(history)
    for (_, key), versions in _versions_by_key(history).items():
        ours = [version.writer for version in versions if version.writer != OTHER]
        if sent_again & set(ours):
            continue
        order = [history.launched.index(_job_of(writer)) for writer in ours]
        if order and order[-1] < max(order):
            yield f"{key} was written in this order: {' '.join(ours)}"


def _versions_by_key(history: History) -> dict[tuple[str, str], list[Version]]:
    """What was written to the records of each (host, external id), in the order of time."""
    by_key: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for account in history.accounts:
        for record in account.records.values():
            by_key[account.host, record.external_id or record.id] += record.versions
    return {
        key: sorted(versions, key=lambda version: version.at)
        for key, versions in by_key.items()
    }


def _job_of(tag: str) -> int:
    return int(tag[1 : tag.index("r")])


def repeats_overwrite_no_edit(history: History) -> Iterator[str]:
    """No own write, foreign write, own write of the same row on one record."""
    sent_again = history.resent_by_persons.keys() | _tags_of_children(history)
    for record in _records(history):
        seen: set[str] = set()
        edited: set[str] = set()
        for version in record.versions:
            if version.writer == OTHER:
                edited |= seen
            elif version.writer in edited - sent_again:
                yield f"{version.writer} was repeated over an edit of another program"
            seen.add(version.writer)


def _records(history: History) -> Iterator[Record]:
    for account in history.accounts:
        yield from account.records.values()


def _tags_of_children(history: History) -> set[str]:
    """The rows that are in two jobs: a retry or a continuation has them too."""
    times = Counter(row.tag for row in history.rows)
    return {tag for tag, count in times.items() if count > 1}


def kept_values_were_there_before(history: History) -> Iterator[str]:
    """What is kept of a record is what it held without the row: never what the row itself
    has written, so that an undo puts back what was there."""
    for row in history.rows:
        if row.before is None:
            continue
        versions = _versions_of(history, row)
        others = [each for each in versions if each.writer != row.tag]
        for name, old in row.before.items():
            held = [(each.values or {}).get(name) for each in others]
            if name in COMPARED and old not in held:
                yield f"{row.tag} {row.key} keeps {name} {old}, its record held {held}"


def what_is_new_is_known(history: History) -> Iterator[str]:
    """An upsert whose records were read says which rows created a record."""
    for row in history.rows:
        if not (row.is_read_before and row.outcome in {"created", "updated"}):
            continue
        versions = _versions_of(history, row)
        own = [each.at for each in versions if each.writer == row.tag]
        if "upsert" not in row.action.replace("create_or_update", "upsert") or not own:
            continue
        lag = history.plan.weather.lag_by_id + MAX_UNSEEN
        before = [
            each for each in versions if each.writer != row.tag and each.at < max(own)
        ]
        seen = [each for each in before if each.at < min(own) - lag]
        # The read may have seen any state since then.
        possible = [*seen[-1:], *before[len(seen) :]]
        was_there = all(each.values is not None for each in possible)
        if row.outcome == "created" and seen and was_there:
            yield f"{row.tag} {row.key} is reported as created, its record was there"
        if row.outcome == "updated" and not before:
            yield f"{row.tag} {row.key} is reported as updated, it created its record"


def changes_are_refused(history: History) -> Iterator[str]:
    """A row that refuses changes is not sent over one since the comparison, at the launch,
    that the read before it could see."""
    lag = history.plan.weather.lag_by_id + MAX_READ
    for row in history.rows:
        plan = history.plan.jobs[min(row.job, len(history.plan.jobs) - 1)]
        if not plan.refuses_changes or plan.columns:
            continue
        for former, own in pairwise(_versions_of(history, row)):
            is_over_edit = own.writer == row.tag and former.writer == OTHER
            if is_over_edit and (former.values or {}).get("value") == row.value:
                # Somebody else has written what the row wants.
                continue
            began = [at for at in row.sent_at if at <= own.at]
            if not (is_over_edit and began) or former.at < plan.launch_at:
                continue
            if former.at < began[-1] - lag:
                yield f"{row.tag} was sent over a change at {former.at:.1f}"


def _versions_of(history: History, row: Row) -> list[Version]:
    """Of the records that had the key of a row, and of those that it wrote."""
    account = next(each for each in history.accounts if each.host == row.host)
    applied_to = {each.record_id for each in account.journal if each.tag == row.tag}
    # An item to delete is the key, of either kind.
    named = {row.sent_id, row.record_id, row.key, *applied_to} - {""}
    found = [
        version
        for record in account.records.values()
        if record.id in named or (row.key and record.external_id == row.key)
        for version in record.versions
    ]
    return sorted(found, key=lambda version: version.at)


def passing_failures_are_sent_again(history: History) -> Iterator[str]:
    for row in history.rows:
        if row.outcome == "failed" and row.code == DEADLOCK and row.attempts < 2:
            yield f"{row.tag} failed by a deadlock and was not sent again"


def rows_are_applied_once(history: History) -> Iterator[str]:
    applied = _applied(history)
    versions = _versions_by_key(history)
    by_tag: dict[str, list[Row]] = defaultdict(list)
    for row in history.rows:
        by_tag[row.tag].append(row)
    for tag, rows in by_tag.items():
        row = rows[0]
        times = len(applied.get(tag, []))
        writers = {version.writer for version in versions.get((row.host, row.key), [])}
        is_keyed_create = row.action == "create" and bool(row.key)
        if is_keyed_create and writers - {tag, OTHER}:
            continue  # Another job deleted the record: the order of jobs (T4).
        allowed = 1
        if not is_keyed_create:
            allowed = sum(1 + row.unconfirmed_attempts for row in rows)
            allowed += history.resent_by_persons[tag]
        if times > allowed:
            yield f"{tag} was applied {times} times, {allowed} allowed"


def jobs_pause_for_their_own_reasons(history: History) -> Iterator[str]:
    for job in history.paused_alone:
        yield f"{job} was paused for what happened to other jobs"


def every_job_ends(history: History) -> Iterator[str]:
    for number, state in history.states.items():
        if state not in OVER:
            yield f"job {number} is {state} at {history.ended_at:.0f} s"


def no_account_starves(history: History) -> Iterator[str]:
    """Accounts that cannot be reached take no turns from the others."""
    if history.plan.weather.unreachable and not history.plan.faults:
        for number in history.late:
            yield f"job {number} is not over at {history.plan.faults_end:.0f} s"


def every_row_has_a_result(history: History) -> Iterator[str]:
    for row in history.rows:
        is_over = history.states[row.job] in OVER
        if is_over and row.outcome == "pending":
            yield f"{row.tag} is pending though its job is over"


def waiting_is_quiet(history: History) -> Iterator[str]:
    accounts = len(history.accounts)
    for requests, commits in idle_minutes(history):
        if requests > accounts * MAX_IDLE_REQUESTS:
            yield f"{requests} requests in a minute in which nothing happened"
        if commits > accounts * MAX_IDLE_COMMITS:
            yield f"{commits} commits in a minute in which nothing happened"


def idle_minutes(history: History) -> list[tuple[int, int]]:
    """(requests, commits) of each minute in which nothing happened that the story tells,
    and no record was read, while jobs were open."""
    requests_made = sorted(
        request for account in history.accounts for request in account.requests
    )
    sent = [at for at, _, _ in requests_made]
    reads = [at for at, kind, _ in requests_made if kind in {"read", "list"}]
    ends = [*history.told_at, *reads, history.ended_at]
    minutes = []
    for start, end in pairwise(sorted(ends)):
        for number in range(int((end - start) // MINUTE)):
            begin = start + number * MINUTE
            requests = _count(sent, begin)
            commits = _count(history.commits, begin)
            minutes.append((requests, commits))
    return minutes


def _count(times: list[float], begin: float) -> int:
    """How many of these ascending times are in the minute after this moment."""
    return bisect_right(times, begin + MINUTE) - bisect_right(times, begin)


ORACLES: dict[str, Callable[[History], Iterator[str]]] = {
    "T0": rows_are_applied_once,
    "T1": successes_were_applied,
    "T2": failures_were_not_applied,
    "T3": record_ids_are_right,
    "T4": values_are_in_order,
    "T5": repeats_overwrite_no_edit,
    "T7": passing_failures_are_sent_again,
    "B": kept_values_were_there_before,
    "N": what_is_new_is_known,
    "D": changes_are_refused,
    "P": jobs_pause_for_their_own_reasons,
    "I": waiting_is_quiet,
    "L": every_job_ends,
    "W": no_account_starves,
    "S": every_row_has_a_result,
}


def knowable_rows(history: History) -> list[str]:
    """U: uncertain rows about which the account says everything: the record holds what
    the row sent, or nothing was ever written to it since the launch."""
    weather = history.plan.weather
    if weather.reads_refused_from is not None and weather.stays_refused:
        return []
    versions = _versions_by_key(history)
    applied = _applied(history)
    knowable = []
    for row in history.rows:
        if row.outcome not in UNKNOWN or not row.key:
            continue
        if row.job in history.not_waited_for:
            continue
        written = [
            each for each in versions.get((row.host, row.key), []) if each.at >= 0
        ]
        is_last = bool(written) and written[-1].writer == row.tag
        is_untouched = not written and row.tag not in applied
        if is_last or is_untouched:
            knowable.append(row.tag)
    return knowable
