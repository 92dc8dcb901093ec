"""Play histories.

python -m tests.sim run 1 300          seeds 1 to 300, and what is wrong in them
python -m tests.sim hunt 1 300         seeds until one shows a fault
python -m tests.sim replay 17          the story of one seed, or of a file with a plan
python -m tests.sim shrink 17 T2       the smallest plan of the same fault
"""

import argparse
import logging
import os
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import connection  # noqa: E402

from tests.sim import history, judge  # noqa: E402
from tests.sim.chance import PROFILES, plan_of  # noqa: E402
from tests.sim.plan import Plan  # noqa: E402
from tests.sim.shrink import shrink  # noqa: E402
from tests.sim.tally import Tally  # noqa: E402


def run(seeds: range, profile: str) -> None:
    tally = Tally()
    for seed in seeds:
        plan = plan_of(seed, profile)
        played = history.play(plan)
        tally.add(played, judge.judge(played))
    print("\n".join(tally.report()))


def hunt(seeds: range, profile: str) -> None:
    """Play seeds until one shows a fault."""
    for seed in seeds:
        found = judge.judge(history.play(plan_of(seed, profile)))
        if found:
            oracle, what = found[0]
            took = time.process_time()
            print(f"{oracle} in seed {seed} after {took:.0f} CPU s: {what}")
            return
    print(f"nothing in {len(seeds)} histories")


def replay(plan: Plan) -> None:
    """Print the story of a plan, and what is wrong in it."""
    played = history.play(plan)
    print(f"seed {plan.seed}, {plan.profile}, {plan.weather}")
    print("\n".join(played.story))
    for oracle, what in judge.judge(played):
        print(f"{oracle}: {what}")


def shrink_seed(plan: Plan, oracle: str, path: str) -> None:
    """Print the smallest plan in which this oracle still speaks, and its story."""

    def speaks(plan: Plan) -> bool:
        return oracle in {name for name, _ in judge.judge(history.play(plan))}

    smallest = shrink(plan, speaks)
    if path:
        Path(path).write_text(smallest.to_json() + "\n")
    else:
        print(smallest.to_json())
    replay(smallest)


def main() -> None:
    options = _options()
    logging.disable()
    connection.settings_dict["TEST"]["NAME"] = None  # in memory
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    match options.what:
        case "run":
            run(range(options.first, options.last + 1), options.profile)
        case "hunt":
            seeds = range(options.first, options.last + 1)
            hunt(seeds, options.profile)
        case "replay":
            replay(_plan(options.plan, options.profile))
        case "shrink":
            plan = _plan(options.plan, options.profile)
            shrink_seed(plan, options.oracle, options.to)


def _plan(name: str, profile: str) -> Plan:
    """Of a seed, or in a file."""
    if Path(name).exists():
        return Plan.from_json(Path(name).read_text())
    return plan_of(int(name), profile)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    commands = parser.add_subparsers(dest="what", required=True)
    running = commands.add_parser("run", help="play seeds, and print what is wrong")
    hunting = commands.add_parser("hunt", help="play seeds until one shows a fault")
    for command in (running, hunting):
        command.add_argument("first", type=int)
        command.add_argument("last", type=int)
    replaying = commands.add_parser("replay", help="print the story of one history")
    shrinking = commands.add_parser("shrink", help="print the smallest such history")
    for command in (replaying, shrinking):
        command.add_argument("plan", help="a seed, or a file with a plan")
    shrinking.add_argument("oracle")
    shrinking.add_argument("--to", default="", help="the file to write the plan to")
    for command in (running, hunting, replaying, shrinking):
        command.add_argument("--profile", default="", choices=["", *PROFILES])
    return parser.parse_args()


if __name__ == "__main__":
    main()
