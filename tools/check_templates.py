"""Checks that no line of a template is longer than MAX_COLUMNS: python -m
tools.check_templates"""

import sys
from collections.abc import Iterator
from pathlib import Path

MAX_COLUMNS = 120
TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def long_lines(folder: Path) -> Iterator[str]:
    """Where each is and how long."""
    for path in sorted(folder.rglob("*.html")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS:
                place = f"{path.relative_to(folder.parent)}:{number}"
                yield f"{place}: {len(line)} columns, the maximum is {MAX_COLUMNS}"


def main() -> None:
    found = list(long_lines(TEMPLATES))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
