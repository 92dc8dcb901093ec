from pathlib import Path

from tools import check_templates


def test_templates_keep_to_the_maximum() -> None:
    assert list(check_templates.long_lines(check_templates.TEMPLATES)) == []


def test_long_line_is_reported_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.html").write_text("<p>\n" + "x" * 121 + "\n")

    found = list(check_templates.long_lines(folder))

    assert found == ["templates/page.html:2: 121 columns, the maximum is 120"]
