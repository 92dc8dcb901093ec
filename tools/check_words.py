"""Find words of the project's old dialect on pages, in errors, in events and in docs.

The dialect was replaced by the field's own terms. Each pattern below belonged to it
and has hardly any other use in this project, so a hit is a mistake in nearly all cases.

Usage: python -m tools.check_words [PATH ...]
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.page_texts import ROOT, SOURCES, PageText, files_in, page_texts

INSTEAD = {
    r"became of|becomes of|become of": "result",
    r"(is|are|was|were) had (there|here|by)|to be had": "is available, download it",
    r"mend(s|ed|ing)?": "fix, correct",
    r"cure[sd]?": "fix",
    r"anew|once more": "again",
    r"nobody|whoever": "the component or the role that acts",
    r"held back|holds? [\w ]{0,20}back": "limited by",
    r"taboo|doorbells?": "locked keys, task queue",
    r"shipments?|oddit(y|ies)": "batch request, warnings",
    r"unsure|torn": "unconfirmed",
    r"so (many|much)|at the (most|least)": "a number, at most, at least",
    r"throw(n|s)? [\w ]{0,20}away|threw away|thrown away": "discard",
    r"shut out|let in again": "deactivated, reactivated",
    r"(called|taken|call|take) back": "cannot be undone",
    r"no news from": "Connection lost, retrying",
    r"please": "leave it out",
    r"(is|are|be) read again": "refresh, sync",
    r"may not sign in any more|may sign in": "active, deactivated",
    r"go on with the other|let (it|the job|them) go on": "approve",
    r"rings?|rang": "enqueue",
    r"told|tells?": "reports, shows",
    r"look(s|ed|ing)? again|look(s|ed|ing)? into the": "check again",
    r"reckon(s|ed|ing)?": "estimate, calculate",
    r"no end|without an end": "never expires",
    r"any more": "no longer",
    r"for (ever|good)": "forever, permanently",
    r"go(es)? on": "continue",
    r"came of|comes of": "result",
    r"on (its|their) way|in the air|under way": "in flight",
    r"in doubt": "unconfirmed",
    r"(comes?|stands?) twice": "appears twice",
    r"passed on": "forwarded",
    r"written down": "recorded",
    r"runs? out": "expires",
    r"gives? up|holds? up": "stop, delay",
    r"may not": "is not allowed, or might not",
    r"(clear|no|the|an) answer": "response",
    r"e-mails?": "email",
    r"besides|hence|thus|lest|shall|upon|amid": "a plainer word",
}
DIALECT = [
    (re.compile(rf"\b({pattern})\b", re.IGNORECASE), instead)
    for pattern, instead in INSTEAD.items()
]
DOCS = ("README.md", "CHANGELOG.md", "docs")

EXCEPTIONS = {("CHANGELOG.md", "cure"): "names a member that was renamed"}
"""(file, words found) -> why they stay."""


def doc_lines(paths: Iterable[Path]) -> Iterator[PageText]:
    for path in paths:
        if path.suffix == ".md":
            name = path.relative_to(ROOT).as_posix()
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield PageText(name, number, line)


def findings(texts: Iterable[PageText]) -> Iterator[str]:
    """One line for each old word found."""
    for text in texts:
        for pattern, instead in DIALECT:
            for match in pattern.finditer(text.text):
                words = match[0].lower()
                if (text.path, words) not in EXCEPTIONS:
                    place = f"{text.path}:{text.line}"
                    yield f"{place}: “{words}” (instead: {instead})"


def main() -> None:
    chosen = [Path(word).resolve() for word in sys.argv[1:]]
    sources = chosen or [ROOT / name for name in (*SOURCES, *DOCS)]
    paths = sorted(files_in(sources))
    found = [*findings(page_texts(paths)), *findings(doc_lines(paths))]
    if found:
        print("\n".join(found))
        sys.exit(f"{len(found)} uses of words that the project no longer uses.")


if __name__ == "__main__":
    main()
