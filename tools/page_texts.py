"""Print every sentence a person can see, with the file and line it comes from.

The sentences are read from the templates, from strings in the Python code (messages,
errors, labels, help texts, choices, events) and from the scripts. Text that depends on
a condition shows its alternatives, as in "Resume / Approve", and values as {name}.

Usage: python -m tools.page_texts [PATH ...]
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from operator import itemgetter
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("templates", "jobsui", "static/js")
NOT_PAGES = ("jobsui/sandbox/", "/migrations/")

SPOKEN_ATTRIBUTES = {
    "alt",
    "aria-label",
    "data-confirm",
    "hx-confirm",
    "placeholder",
    "title",
    "value",
}
INLINE_TAGS = {
    "a",
    "b",
    "bdi",
    "code",
    "em",
    "i",
    "kbd",
    "small",
    "span",
    "strong",
    "time",
}
UNSEEN_TAGS = {"script", "style"}

TEMPLATE_CODE = re.compile(
    r"{%\s*(?P<tag>\w+)(?P<rest>.*?)%}|{{(?P<value>.*?)}}|{#.*?#}", re.DOTALL
)
ALTERNATIVES = {"else", "elif"}
BLOCKS = {"block", "endblock"}
QUOTED = re.compile(r'(?<!/)"([^"{}]*)"')

LABEL_ARGUMENTS = {
    "description",
    "empty_label",
    "help_text",
    "label",
    "message",
    "summary",
    "verbose_name",
}
STATEMENTS = re.compile(r"\s*(SELECT|UPDATE|INSERT|DELETE|WITH|CREATE|ALTER|FROM)\b")
TWO_WORDS = re.compile(r"[A-Za-z’']{2,}[,;:.]? +[A-Za-z{(“\"]")


@dataclass(frozen=True, slots=True)
class PageText:
    path: str
    line: int
    text: str


def page_texts(paths: Iterable[Path]) -> Iterator[PageText]:
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if any(part in name for part in NOT_PAGES):
            continue
        read = READERS.get(path.suffix)
        if read is None:
            continue
        found = dict.fromkeys(read(path.read_text()))
        for line, text in sorted(found, key=itemgetter(0)):
            yield PageText(name, line, text)


def template_texts(source: str) -> Iterator[tuple[int, str]]:
    yield from tag_texts(source)
    parser = TextParser()
    parser.feed(TEMPLATE_CODE.sub(readable, source))
    parser.close()
    parser.end_sentence()
    yield from parser.found


def readable(code: re.Match[str]) -> str:
    """The readable form of template code. It keeps line breaks, so that line numbers
    stay right."""
    breaks = "\n" * code[0].count("\n")
    if code["value"]:
        return "{" + readable_value(code["value"]) + "}" + breaks
    if code["tag"] in ALTERNATIVES:
        return " / " + breaks
    if code["tag"] in BLOCKS:
        return "<hr>" + breaks
    return breaks


def readable_value(value: str) -> str:
    """`job.rows|counted:"row"` reads "job.rows rows"; other filters are left out."""
    name = value.partition("|")[0].strip().replace('"', "")
    thing = re.search(r'counted:"([^"]*)"', value)
    return f"{name} {thing[1]}s" if thing else name


def tag_texts(source: str) -> Iterator[tuple[int, str]]:
    """Sentences given to template tags and filters, as in {% include … with title="…" %}."""
    for code in TEMPLATE_CODE.finditer(source):
        if code["tag"] in {"if", "elif", "load", "extends"}:
            continue
        line = source.count("\n", 0, code.start()) + 1
        for text in QUOTED.findall(code[0]):
            if TWO_WORDS.search(text) or text[:1].isupper():
                yield line, text


class TextParser(HTMLParser):
    """Collects sentences: inline tags are part of one, other tags end it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self.sentence: list[str] = []
        self.sentence_line = 0
        self.unseen = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE_TAGS:
            self.end_sentence()
        self.unseen = tag in UNSEEN_TAGS
        for name, value in attrs:
            if name in SPOKEN_ATTRIBUTES and value and TWO_WORDS.search(value):
                self.found.append((self.getpos()[0], " ".join(value.split())))

    def handle_endtag(self, tag: str) -> None:
        if tag not in INLINE_TAGS:
            self.end_sentence()
        self.unseen = False

    def handle_data(self, data: str) -> None:
        if self.unseen:
            return
        if not self.sentence:
            blank = data[: len(data) - len(data.lstrip())]
            self.sentence_line = self.getpos()[0] + blank.count("\n")
        self.sentence.append(data)

    def end_sentence(self) -> None:
        text = " ".join("".join(self.sentence).split()).strip(" /·")
        self.sentence = []
        if re.search(r"[A-Za-z]", re.sub(r"{[^}]*}", "", text)):
            self.found.append((self.sentence_line, text))


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    visitor = StringVisitor()
    visitor.visit(ast.parse(source))
    yield from visitor.found


class StringVisitor(ast.NodeVisitor):
    """Collects strings that read as text. Docstrings and log messages are not shown."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and is_logger(node.func.value):
            return
        is_cast = isinstance(node.func, ast.Name) and node.func.id == "cast"
        for argument in node.args[1:] if is_cast else node.args:
            self.visit(argument)
        for keyword in node.keywords:
            self.visit(keyword)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg in LABEL_ARGUMENTS:
            self.add_label(node.value)
        else:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(ast.unparse(base).endswith("Choices") for base in node.bases):
            for statement in node.body:
                if isinstance(statement, ast.Assign):
                    self.add_choice(statement.value)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and is_sentence(node.value):
            self.add(node, node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        text = joined_text(node)
        if is_sentence(text):
            self.add(node, text)

    def add_choice(self, value: ast.expr) -> None:
        if isinstance(value, ast.Tuple):
            self.add_label(value.elts[-1])

    def add_label(self, value: ast.expr) -> None:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            self.add(value, value.value)
        else:
            self.visit(value)

    def add(self, node: ast.expr, text: str) -> None:
        if text:
            self.found.append((node.lineno, " ".join(text.split())))


def is_logger(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id == "logger"


def joined_text(node: ast.JoinedStr) -> str:
    parts = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        elif isinstance(value, ast.FormattedValue):
            parts.append("{" + ast.unparse(value.value) + "}")
    return "".join(parts)


def is_sentence(text: str) -> bool:
    return bool(TWO_WORDS.search(text)) and not STATEMENTS.match(text)


SCRIPT_STRING = re.compile(r'"([^"\n]*)"|`([^`]*)`')


def script_texts(source: str) -> Iterator[tuple[int, str]]:
    for string in SCRIPT_STRING.finditer(source):
        text = string[1] or string[2] or ""
        if TWO_WORDS.search(text):
            yield source.count("\n", 0, string.start()) + 1, text


READERS = {".html": template_texts, ".py": python_texts, ".js": script_texts}


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from path.rglob("*") if path.is_dir() else [path]


def main() -> None:
    chosen = [Path(word).resolve() for word in sys.argv[1:]]
    sources = chosen or [ROOT / source for source in SOURCES]
    last = ""
    for text in page_texts(files_in(sources)):
        if text.path != last:
            print(f"\n{text.path}")
            last = text.path
        print(f"{text.line:5}  {text.text}")


if __name__ == "__main__":
    main()
