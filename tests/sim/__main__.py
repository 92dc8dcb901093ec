"""Play histories.

python -m tests.sim run 1 300          seeds 1 to 300, and what is wrong in them
python -m tests.sim replay 17          the story of one seed
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import logging

import django

django.setup()

from django.db import connection  # noqa: E402

from tests.sim import history, judge  # noqa: E402
from tests.sim.plan import Plan, plan_of  # noqa: E402
from tests.sim.shrink import shrink  # noqa: E402


def run(first: int, last: int) -> None:
    found: Counter[str] = Counter()
    seeds: dict[str, list[int]] = {}
    profiles: Counter[tuple[str, str]] = Counter()
    began = time.process_time()
    uncertain = 0.0
    for seed in range(first, last + 1):
        plan = plan_of(seed)
        played = history.play(plan)
        uncertain += judge.uncertain_share(played)
        for oracle in {name for name, _ in judge.judge(played)}:
            found[oracle] += 1
            seeds.setdefault(oracle, []).append(seed)
            profiles[oracle, plan.profile] += 1
    took = time.process_time() - began
    number = last - first + 1
    print(f"{number} histories in {took:.1f} CPU s: {number / took:.1f} a second")
    print(f"uncertain rows: {uncertain / number:.1%}")
    for oracle, times in sorted(found.items()):
        where = {p: n for (o, p), n in profiles.items() if o == oracle}
        print(f"{oracle}: {times} histories, first {seeds[oracle][:6]}, {where}")


def hunt(first: int, last: int) -> None:
    """Play seeds until one shows a fault that is not known."""
    for seed in range(first, last + 1):
        found = judge.new_faults(history.play(plan_of(seed)))
        if found:
            oracle, what = found[0]
            took = time.process_time()
            print(f"{oracle} in seed {seed} after {took:.0f} CPU s: {what}")
            return
    print(f"nothing in {last - first + 1} histories")


def replay(plan: Plan) -> None:
    """Print the story of a plan, and what is wrong in it."""
    played = history.play(plan)
    print(f"seed {plan.seed}, {plan.profile}, {plan.weather}")
    print("\n".join(played.story))
    for oracle, what in judge.judge(played):
        print(f"{oracle}: {what}")


def shrink_seed(seed: int, oracle: str) -> None:
    """Print the smallest plan in which this oracle still speaks, and its story."""

    def speaks(plan: Plan) -> bool:
        return oracle in {name for name, _ in judge.judge(history.play(plan))}

    plan = shrink(plan_of(seed), speaks)
    print(plan.to_json())
    replay(plan)


def main() -> None:
    options = _options()
    logging.disable()
    connection.settings_dict["TEST"]["NAME"] = None  # in memory
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    match options.what:
        case "run":
            run(options.first, options.last)
        case "hunt":
            hunt(options.first, options.last)
        case "replay":
            plan = options.plan
            is_file = Path(plan).exists()
            replay(
                Plan.from_json(Path(plan).read_text())
                if is_file
                else plan_of(int(plan))
            )
        case "shrink":
            shrink_seed(options.seed, options.oracle)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    commands = parser.add_subparsers(dest="what", required=True)
    for name, what in (
        ("run", "play seeds, and print what is wrong in them"),
        ("hunt", "play seeds until one shows a new fault"),
    ):
        running = commands.add_parser(name, help=what)
        running.add_argument("first", type=int)
        running.add_argument("last", type=int)
    replaying = commands.add_parser("replay", help="print the story of one history")
    replaying.add_argument("plan", help="a seed, or a file with a plan")
    shrinking = commands.add_parser("shrink", help="print the smallest such history")
    shrinking.add_argument("seed", type=int)
    shrinking.add_argument("oracle")
    return parser.parse_args()


if __name__ == "__main__":
    main()
