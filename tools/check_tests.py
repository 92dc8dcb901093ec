"""Check that the names of tests have less than 70 characters.

Usage: python -m tools.check_tests
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_NAME_LENGTH = 69


def long_names(paths: Iterable[Path]) -> Iterator[str]:
    """One line for each test whose name is too long."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            length = len(node.name)
            if node.name.startswith("test_") and length > MAX_NAME_LENGTH:
                where = f"{path}:{node.lineno}"
                yield f"{where}: {node.name} has {length} characters (at most {MAX_NAME_LENGTH})"


def main() -> None:
    found = list(long_names(sorted((ROOT / "tests").rglob("*.py"))))
    print("\n".join(found))
    if found:
        sys.exit(f"{len(found)} names of tests are too long.")


if __name__ == "__main__":
    main()
