from tools.check_words import findings
from tools.page_texts import PageText


def test_check_words_finds_a_planted_word() -> None:
    planted = PageText("templates/jobs/detail.html", 7, "See what became of each row.")

    found = list(findings([planted]))

    assert found == ["templates/jobs/detail.html:7: “became of” (instead: result)"]


def test_check_words_passes_plain_english() -> None:
    plain = PageText("docs/faults.md", 1, "The result of each row is in results.csv.")

    assert list(findings([plain])) == []


def test_check_words_ignores_parts_of_words() -> None:
    parts = PageText("docs/api.md", 1, "Recommended strings are secured.")

    assert list(findings([parts])) == []
