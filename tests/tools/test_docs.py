"""Documents that name tests name existing ones."""

import re

import pytest

from tools.page_texts import ROOT

TESTS = ROOT / "tests"
ACCEPTANCE = TESTS / "acceptance"
CASE = re.compile(r"`…\[([^\]…]+)…?\]`")
TEST = re.compile(r"`(test_\w+)(?:…[^`]*)?`")


@pytest.mark.parametrize("name", ["faults.md", "asvs.md"])
def test_every_test_named_in_a_document_exists(name: str) -> None:
    document = (ROOT / "docs" / name).read_text()
    sources = [path.read_text() for path in TESTS.rglob("test_*.py")]
    code = "\n".join(sources)

    named = TEST.findall(document)
    missing = [name for name in named if f"def {name}" not in code]

    assert len(named) > 20
    assert missing == []


def test_every_case_named_in_the_faults_document_exists() -> None:
    document = (ROOT / "docs" / "faults.md").read_text()
    sources = [path.read_text() for path in ACCEPTANCE.glob("*.py")]
    code = "\n".join(sources)

    named = CASE.findall(document)
    missing = [case for case in named if case not in code]

    assert len(named) > 5
    assert missing == []
