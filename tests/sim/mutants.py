"""Faults put into the engine on purpose, to see whether the simulator notices them.

    python -m tests.sim.mutants             all of them
    python -m tests.sim.mutants "no fence"  one

Each is a change of a few words, applied to a copy of the project in which the same seeds
are played. It is caught when an oracle speaks that is silent without it."""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DELIVERY = "jobsui/jobs/delivery"
SEEDS = ("1", "150")
SECONDS = 60


@dataclass(frozen=True)
class Mutant:
    name: str
    path: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "requests leave before the commit",
        f"{DELIVERY}/driver.py",
        "            requests = self._claim(chosen)\n",
        "            requests = self._claim(chosen)\n            self._post(requests)\n",
    ),
    Mutant(
        "no fence",
        "jobsui/jobs/leases.py",
        "    if not sql.is_held(held.name, held.epoch, held.owner):\n",
        "    if False:\n",
    ),
    Mutant(
        "a renewal never fails",
        "jobsui/jobs/leases.py",
        "        if not mine.update(expires_at=Now() + self.ttl):\n",
        "        if not mine.update(expires_at=Now() + self.ttl) and False:\n",
    ),
    Mutant(
        "a stale driver sends",
        f"{DELIVERY}/driver.py",
        "        is_fresh = self.lease.age < self.timing.lease_stale_after\n",
        "        is_fresh = True\n",
    ),
    Mutant(
        "batches of a dead driver count as not sent",
        f"{DELIVERY}/decision.py",
        "        expected=BatchState.SENDING,\n        state=BatchState.UNCONFIRMED,\n",
        "        expected=BatchState.SENDING,\n        state=BatchState.PLANNED,\n",
    ),
    Mutant(
        "an unclear response counts as not sent",
        f"{DELIVERY}/decision.py",
        "        case NotSent():\n",
        "        case NotSent() | Refused() | None:\n"
        "            return _send_again(posted, AttemptResult.NOT_SENT)\n"
        "        case ZendeskError() if not isinstance(posted.error, RateLimited):\n",
    ),
    Mutant(
        "no wait for a frozen driver's request",
        f"{DELIVERY}/recovery.py",
        "now + last_request_ends - timing.lease_ttl",
        "now - 1000",
    ),
    Mutant(
        "no quiet time",
        f"{DELIVERY}/reconciliation.py",
        "        return self.waited < self.quiet_time\n",
        "        return False\n",
    ),
    Mutant(
        "running jobs are not waited for",
        f"{DELIVERY}/reconciliation.py",
        "    return any(not status.is_over for status in _unknown_jobs_of_size(batch))\n",
        "    return False\n",
    ),
    Mutant(
        "content is not compared",
        f"{DELIVERY}/comparison.py",
        "    return all(is_same(value, record.fields.get(key)) for key, value in fields.items())\n",
        "    return True\n",
    ),
    Mutant(
        "a change of somebody else is overwritten",
        f"{DELIVERY}/reconciliation.py",
        "    if action is Action.CREATE or _has_changed(request, record):\n",
        "    if action is Action.CREATE:\n",
    ),
    Mutant(
        "failures of a repeat are not verified",
        f"{DELIVERY}/driver.py",
        "        if failed and request.resent:\n",
        "        if False:\n",
    ),
    Mutant(
        "a taken key without a record is a failure",
        f"{DELIVERY}/reconciliation.py",
        "            case Match.ABSENT if _says_taken(results[index]):\n",
        "            case Match.ABSENT if False:\n",
    ),
    Mutant(
        "temporary failures are final",
        f"{DELIVERY}/driver.py",
        "        if request.accepted_before >= MAX_REPEATS:\n",
        "        if True:\n",
    ),
    Mutant(
        "results are taken by position",
        f"{DELIVERY}/batch_request.py",
        "    indexes = [sent.named_by(result) for result in reported]\n",
        "    indexes = [i for i, _ in request.items][: len(reported)]\n",
    ),
    Mutant(
        "an index is believed against the key",
        f"{DELIVERY}/batch_request.py",
        '        if external_id and not self._has(position, "external_id", external_id):\n',
        "        if False:\n",
    ),
    Mutant(
        "an unknown word counts as success",
        "jobsui/zendesk/custom_objects.py",
        "    return Verdict.NAMED if record_id and not status else Verdict.UNKNOWN\n",
        "    return Verdict.SUCCEEDED if record_id else Verdict.UNKNOWN\n",
    ),
    Mutant(
        "refused reads are not counted",
        f"{DELIVERY}/decision.py",
        "    if result.unconfirmed.reconcile_count < most:\n",
        "    if True:\n",
    ),
    Mutant(
        "refused polls are waited for without end",
        f"{DELIVERY}/running_batches.py",
        "        if isinstance(result.error, Refused):\n",
        "        if False:\n",
    ),
    Mutant(
        "leases of the future are not cut",
        "jobsui/jobs/leases.py",
        "    too_long.update(expires_at=Now() + longest)\n",
        "    too_long.none().update(expires_at=Now() + longest)\n",
    ),
    Mutant(
        "a commit with an unknown result is forgotten",
        f"{DELIVERY}/driver.py",
        "            self.needs_resync = True\n",
        "            self.needs_resync = False\n",
    ),
    Mutant(
        "counters are off by one",
        "jobsui/jobs/ledger/settlement.py",
        "        for result in added.values():\n",
        "        for result in list(added.values())[1:]:\n",
    ),
    Mutant(
        "the first attempt of a checked row is forgotten",
        f"{DELIVERY}/claims.py",
        "        last_item = max([last_item, *arrived])\n",
        "        pass\n",
    ),
    Mutant(
        "a lost job status is polled without end",
        f"{DELIVERY}/running_batches.py",
        "        return at - batch.absent_since >= timeout\n",
        "        return False\n",
    ),
)


def main(name: str = "") -> None:
    print(f"without a mutant: {_played(None)}")
    for mutant in MUTANTS:
        if name in {"", mutant.name}:
            began = time.monotonic()
            found = _played(mutant)
            print(
                f"{mutant.name}: {found} ({time.monotonic() - began:.0f} s)", flush=True
            )


def _played(mutant: Mutant | None) -> str:
    """What the judge says of the seeds, played in a copy of the project."""
    with tempfile.TemporaryDirectory(prefix="jobsui-mutant-") as folder:
        copy = Path(folder)
        for part in ("jobsui", "tests", "templates", "static", "manage.py"):
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, copy / part, ignore=ignored)
            else:
                shutil.copy(source, copy / part)
        if mutant is not None:
            path = copy / mutant.path
            text = path.read_text()
            if mutant.old not in text:
                return "NOT APPLIED: the engine has changed"
            path.write_text(text.replace(mutant.old, mutant.new, 1))
        command = [sys.executable, "-m", "tests.sim", "hunt", *SEEDS]
        try:
            ran = subprocess.run(
                command,
                cwd=copy,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"not caught within {SECONDS} s"
        lines = (ran.stdout or ran.stderr).strip().splitlines()
        return lines[-1] if lines else "no output"


if __name__ == "__main__":
    main(*sys.argv[1:])
