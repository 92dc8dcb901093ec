"""The product's part of the bench: a program that does what people do on the pages
(way.py).

python -m bench.ours PLAN      the plan as JSON, the product's settings in the environment
"""

import json
import sys

import django


def main() -> None:
    django.setup()
    from bench import scenario  # noqa: PLC0415  # models exist only after setup

    scenario.go(scenario.Plan(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
