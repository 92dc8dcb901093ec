from pathlib import Path

import pytest

from jobsui.jobs.models import File, Job
from tests.harness import Harness, gadgets, to_csv
from tests.ops.commands import Ran, run


def check(path: Path, *words: str) -> Ran:
    words = (
        "--connection",
        "Sandbox",
        "--object",
        "gadget",
        "--action",
        "create",
        *words,
    )
    return run("files", "check", str(path), *words)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_file_without_problems_passes_and_is_not_kept(
    harness: Harness, path: Path
) -> None:
    harness.object()
    path.write_bytes(to_csv(gadgets(3)))

    ran = check(path)

    assert ran.status == 0
    assert ran.out == (
        "3 rows, 0 rows with problems.\n"
        "Checked: types, options, required fields, names and keys, and a sample of the "
        "keys and references in Zendesk. Zendesk may still refuse a row for other "
        "reasons.\n"
    )
    assert Job.objects.count() == 0
    assert File.objects.count() == 0
    assert harness.sandbox.jobs() == []


def test_problems_are_listed_by_cause(harness: Harness, path: Path) -> None:
    harness.object()
    path.write_bytes(to_csv([*gadgets(2), *gadgets(1)]))

    ran = check(path)

    assert ran.status == 1
    assert ran.lines == [
        "3 rows, 1 row with problems.",
        "      1 x external_id: The value is already the External ID of an earlier row, "
        "for example “g-1”. (row 4)",
        "          Keep one of the rows: Zendesk may apply them in any order.",
    ]
    assert Job.objects.count() == 0
    assert File.objects.count() == 0


def test_every_problem_is_a_line_of_json(harness: Harness, path: Path) -> None:
    harness.object()
    rows = gadgets(3)
    rows[0]["price"], rows[2]["price"] = "1,5,0", "x"
    path.write_bytes(to_csv(rows))

    ran = check(path, "--json")

    assert ran.status == 1
    assert [
        (p["row"], p["column"], p["value"], p["code"], p["message"]) for p in ran.data
    ] == [
        (2, "price", "1,5,0", "not_a_number", "“1,5,0” is not a number."),
        (4, "price", "x", "not_a_number", "“x” is not a number."),
    ]


def test_given_layout_is_used(harness: Harness, path: Path) -> None:
    harness.object()
    path.write_bytes(
        "name|serial|notes\nDrill|AB-000001|Zürich, Genève\n".encode("cp1252")
    )

    ran = check(path, "--encoding", "cp1252", "--delimiter", "bar")

    assert ran.status == 0
    assert ran.err == "Columns: name=name, serial=serial, notes=notes.\n"


def test_uncertain_encoding_names_the_options(harness: Harness, path: Path) -> None:
    harness.object()
    path.write_bytes("name,serial\nGenève,AB-000001\n".encode("cp1252"))

    ran = check(path)

    assert ran.status == 2
    assert "Choose its encoding. Use --encoding cp1252 or --encoding " in ran.err


def test_warnings_of_the_file_are_shown(harness: Harness, path: Path) -> None:
    harness.object()
    path.write_text("name,serial\nZÃ¼rich,AB-000001\n")

    ran = check(path)

    assert ran.err.splitlines()[0] == (
        "1 value in name with garbled letters, such as “ZÃ¼rich”. Restore them in "
        "the rule of their field, or export the file again as UTF-8. (row 2: “ZÃ¼rich”)"
    )


def test_file_that_cannot_be_checked_has_its_own_status(
    harness: Harness, path: Path
) -> None:
    harness.object()
    path.write_text("what\nDrill\n")

    ran = check(path)

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith(
        "Name is required. Map a column to it. Serial is required. Map a column to it. Use "
    )
