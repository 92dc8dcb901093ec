"""The tally of many histories: what was wrong, how fast they ran, how much remained
uncertain, and what they never reached."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from tests.sim import judge
from tests.sim.chance import FAULTS, PERSONS
from tests.sim.history import History

MAX_KNOWABLE = 0.02
"""U: the highest share of the rows of a profile, or of the histories of one test, that may
remain uncertain although the account says what happened to them."""
MIN_ROWS = 500
"""With fewer rows, a share says little."""

SOMETIMES: Mapping[str, str] = {
    "a commit was lost": "the database did not confirm",
    "rows were sent again": "were not applied and are sent again",
    "a passing failure was repeated": "failed for a temporary reason",
    "a job was found without keys": "Found its job in the account",
    "somebody else changed records": "were changed by somebody else",
    "a person was asked after many attempts": "each time without a clear response",
}
"""{claim: words in the last note of an attempt}. Each must be true of some history."""


class Tally:
    def __init__(self) -> None:
        self._began = time.process_time()
        self._histories = 0
        self._seeds: defaultdict[str, list[int]] = defaultdict(list)
        self._profiles: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._first: dict[str, str] = {}
        self._rows = Counter[str]()
        self._uncertain = Counter[str]()
        self._knowable = Counter[str]()
        self._happened = Counter[str]()
        self._sometimes = Counter[str]()
        self._idle_minutes = 0
        self._idle = Counter[str]()

    def add(self, history: History, found: Iterable[tuple[str, str]]) -> None:
        profile = history.plan.profile
        self._histories += 1
        for oracle, what in dict(reversed(list(found))).items():
            self._seeds[oracle].append(history.plan.seed)
            self._profiles[oracle][profile] += 1
            self._first.setdefault(oracle, what)
        self._rows[profile] += len(history.rows)
        outcomes = Counter(row.outcome for row in history.rows)
        self._uncertain[profile] += outcomes["uncertain"]
        self._knowable[profile] += len(judge.knowable_rows(history))
        self._happened.update(history.happened)
        for requests, commits in judge.idle_minutes(history):
            self._idle_minutes += 1
            self._idle["requests"] += requests
            self._idle["commits"] += commits
        for claim, words in SOMETIMES.items():
            self._sometimes[claim] += any(words in note for note in history.notes)

    def report(self) -> list[str]:
        took = time.process_time() - self._began
        speed = self._histories / took
        lines = [
            f"{self._histories} histories in {took:.0f} CPU s: {speed:.1f} a second"
        ]
        minutes = max(1, self._idle_minutes)
        requests = self._idle["requests"] / minutes
        commits = self._idle["commits"] / minutes
        lines.append(
            f"{self._idle_minutes} idle minutes: {requests:.1f} requests, "
            f"{commits:.1f} commits each"
        )
        lines += self._uncertain_lines()
        for oracle, seeds in sorted(self._seeds.items()):
            where = dict(self._profiles[oracle].most_common())
            lines.append(f"{oracle}: {len(seeds)} histories, {seeds[:8]}, {where}")
            lines.append(f"   {self._first[oracle]}")
        lines += [f"never: {name}" for name in self._never()]
        return lines

    def _uncertain_lines(self) -> list[str]:
        lines = []
        for profile, rows in sorted(self._rows.items()):
            uncertain = self._uncertain[profile] / max(1, rows)
            knowable = self._knowable[profile] / max(1, rows)
            line = f"{profile}: {rows} rows, {uncertain:.1%} uncertain, {knowable:.1%} knowable"
            if rows >= MIN_ROWS and knowable > MAX_KNOWABLE:
                line = f"U: {line}"
            lines.append(line)
        return lines

    def _never(self) -> list[str]:
        planned = [
            f"{edge}:{what}" for edge, kinds in FAULTS.items() for what, _ in kinds
        ]
        planned += [f"person:{what}" for what in PERSONS]
        missing = [name for name in planned if not self._happened[name]]
        return missing + [claim for claim in SOMETIMES if not self._sometimes[claim]]
