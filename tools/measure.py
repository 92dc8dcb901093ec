"""Print how dense a tree's code and templates are.

"Tokens a line" counts comments and docstrings as lines, "tokens a line of code" does
not. By the first measure httpx has 4.9 and requests 4.6.

Usage: python -m tools.measure [--by-package] [TREE ...]
"""

import argparse
import ast
import io
import statistics
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("jobsui", "bench", "tools", "tests")
MAX_TEMPLATE_LINE = 120
LAYOUT_TOKENS = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}

type Row = tuple[str, str]


@dataclass(slots=True)
class Measure:
    files: int = 0
    lines: int = 0
    code_lines: int = 0
    tokens: int = 0
    function_lines: list[int] = field(default_factory=list)
    tuple_assignments: int = 0
    skipped_by_formatter: int = 0

    def add(self, source: str) -> None:
        tree = ast.parse(source)
        docstrings = docstring_lines(tree)
        tokens_at = tokens_by_line(source, docstrings)
        self.files += 1
        self.lines += sum(bool(line.strip()) for line in source.splitlines())
        self.code_lines += len(tokens_at)
        self.tokens += sum(tokens_at.values())
        self.function_lines += function_lengths(tree, tokens_at)
        self.tuple_assignments += sum(map(is_tuple_assignment, ast.walk(tree)))
        self.skipped_by_formatter += count_skips(source)

    def rows(self) -> Iterator[Row]:
        yield "files", f"{self.files:,}"
        yield "functions", f"{len(self.function_lines):,}"
        yield "function lines: median / 90 % / max", self._spread()
        yield "lines that are not blank", f"{self.lines:,}"
        yield "lines of code", f"{self.code_lines:,}"
        yield "tokens a line", f"{self.tokens / max(self.lines, 1):.1f}"
        code_lines = max(self.code_lines, 1)
        yield "tokens a line of code", f"{self.tokens / code_lines:.1f}"
        per_thousand = 1000 * self.tuple_assignments / code_lines
        yield "tuple assignments per 1,000 lines of code", f"{per_thousand:.1f}"
        yield "# fmt: skip", f"{self.skipped_by_formatter:,}"

    def _spread(self) -> str:
        lengths = sorted(self.function_lines) or [0]
        ninetieth = lengths[int(0.9 * (len(lengths) - 1))]
        return f"{statistics.median(lengths):.0f} / {ninetieth} / {lengths[-1]}"


def docstring_lines(tree: ast.Module) -> set[int]:
    """The lines of string statements: docstrings, and those that describe a name."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr):
            continue
        if not isinstance(node.value, ast.Constant):
            continue
        if isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or 0) + 1))
    return lines


def tokens_by_line(source: str, docstrings: set[int]) -> dict[int, int]:
    """How many tokens begin on each line that has code."""
    found: dict[int, int] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type in LAYOUT_TOKENS or line in docstrings:
            continue
        found[line] = found.get(line, 0) + 1
    return found


def function_lengths(tree: ast.Module, tokens_at: dict[int, int]) -> list[int]:
    """Code lines of each function, its signature among them."""
    lengths = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = range(node.lineno, (node.end_lineno or 0) + 1)
            lengths.append(sum(line in tokens_at for line in lines))
    return lengths


def is_tuple_assignment(node: ast.AST) -> bool:
    """`a, b = x, y`: unpacking one value does not count."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    return any(isinstance(target, ast.Tuple) for target in node.targets)


def count_skips(source: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return sum("fmt: skip" in comment for comment in comments)


def measure_code(root: Path, packages: Iterable[str]) -> Measure:
    measure = Measure()
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            if "migrations" not in path.parts:
                measure.add(path.read_text())
    return measure


def template_rows(root: Path) -> Iterator[Row]:
    paths = sorted((root / "templates").rglob("*.html"))
    lengths = [len(line) for path in paths for line in path.read_text().splitlines()]
    long = sum(length > MAX_TEMPLATE_LINE for length in lengths)
    share = 100 * long / max(len(lengths), 1)
    yield "templates", f"{len(paths):,}"
    yield "template lines", f"{len(lengths):,}"
    yield f"template lines over {MAX_TEMPLATE_LINE}", f"{long:,} ({share:.1f} %)"
    yield "longest template line", f"{max(lengths, default=0):,}"


def measure_tree(root: Path) -> dict[str, str]:
    return dict(measure_code(root, PACKAGES).rows()) | dict(template_rows(root))


def print_table(columns: dict[str, dict[str, str]]) -> None:
    names = list(next(iter(columns.values())))
    print("| | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in names:
        values = (values[name] for values in columns.values())
        print(f"| {name} | " + " | ".join(values) + " |")


def subpackages(root: Path) -> list[str]:
    rooms = sorted((root / "jobsui").iterdir())
    inside_jobs = sorted((root / "jobsui" / "jobs").iterdir())
    every = [path for path in [*rooms, *inside_jobs] if (path / "__init__.py").exists()]
    return [str(path.relative_to(root)) for path in every] + list(PACKAGES[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("trees", nargs="*", type=Path, default=[Path()])
    parser.add_argument(
        "--by-package", action="store_true", help="one column for each package"
    )
    chosen = parser.parse_args()
    if not chosen.by_package:
        print_table({str(tree): measure_tree(tree) for tree in chosen.trees})
        return
    for tree in chosen.trees:
        rooms = subpackages(tree)
        print_table({room: dict(measure_code(tree, [room]).rows()) for room in rooms})


if __name__ == "__main__":
    main()
