"""The product's part of the bench: a program that does what people do on the pages
(scenario.py).

    python -m bench.ours PLAN

PLAN is JSON. The environment has the product's settings.
"""

import json
import sys

import django


def main() -> None:
    django.setup()
    # Models exist only after setup.
    from bench import scenario  # noqa: PLC0415

    scenario.go(scenario.Plan(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
