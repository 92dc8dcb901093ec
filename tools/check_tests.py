"""Check the names of the tests: they are short, and docs/faults.md names tests that exist.

Usage: python -m tools.check_tests
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_NAME_LENGTH = 69
FAULTS = ROOT / "docs" / "faults.md"
NAME_IN_DOCS = re.compile(r"`(test_\w+)(…?)")
"""A test as the docs name it: whole, or its beginning and an ellipsis."""


def named_tests(paths: Iterable[Path]) -> Iterator[tuple[Path, int, str]]:
    """(file, line, name) of each test function."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield path, node.lineno, node.name


def long_names(names: Iterable[tuple[Path, int, str]]) -> Iterator[str]:
    for path, line, name in names:
        if len(name) > MAX_NAME_LENGTH:
            yield f"{path}:{line}: {name} has {len(name)} characters (at most {MAX_NAME_LENGTH})"


def missing_names(text: str, known: set[str]) -> Iterator[str]:
    """Names in a document that belong to no test and no file of tests."""
    for name, ellipsis in NAME_IN_DOCS.findall(text):
        if ellipsis:
            exists = any(each.startswith(name) for each in known)
        else:
            exists = name in known
        if not exists:
            yield f"{FAULTS.name}: there is no {name}{ellipsis}"


def main() -> None:
    paths = sorted((ROOT / "tests").rglob("*.py"))
    found = list(named_tests(paths))
    known = {name for _, _, name in found} | {path.stem for path in paths}
    faults = [*long_names(found), *missing_names(FAULTS.read_text(), known)]
    print("\n".join(faults))
    if faults:
        sys.exit(f"{len(faults)} names of tests to correct.")


if __name__ == "__main__":
    main()
