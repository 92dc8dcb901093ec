import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import ColumnFacts, Job
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_object
from tests.web import stages
from tests.web.pages import visible
from tests.web.test_wizard import HTMX, launched_meanwhile, path

pytestmark = pytest.mark.django_db


def chosen(text: str) -> dict[str, str]:
    """{target key: column}, as a page with selects shows it."""
    selects = re.findall(r'<select[^>]*name="source_([^"]+)"(.*?)</select>', text, re.S)
    return {
        key: column[0]
        for key, options in selects
        if (column := re.findall(r"<option selected>([^<]*)<", options))
    }


def wide(columns: int, targets: int) -> Job:
    """A draft of a file with this many columns for an object with this many fields."""
    fields = [
        {"key": f"field_{n}", "title": f"A field of the object, number {n}"}
        for n in range(targets)
    ]
    to = make_object(make_connection(), "wide", fields=fields)
    header = ["external_id", *(f"Column {n} of the export" for n in range(1, columns))]
    return stages.draft(f"{','.join(header)}\n{','.join('x' * columns)}\n", to=to)


def test_delete_has_no_setting_for_empty_cells(operator: Client) -> None:
    job = stages.draft("external_id\ng-1\n", Action.DELETE_BY_EXTERNAL_ID)

    page = operator.get(path(job, "map/"))
    operator.post(path(job, "map/"), {"source_external_id": "external_id"})

    assert "Empty cells" not in page.text
    assert Job.objects.get().options["blank"] == "skip"
    assert Job.objects.get().mapping == {"external_id": "external_id"}


def test_columns_are_matched_by_name(operator: Client) -> None:
    job = stages.changed(
        stages.draft("external_id,Price,colour\ng-1,1,red\n"), mapping={}
    )

    page = operator.get(path(job, "map/"))

    assert chosen(page.text) == {"external_id": "external_id", "field:price": "Price"}
    assert page.context["summary"].unused == ["colour"]
    assert "1 column not imported" in visible(page.text)


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        (
            "external_id,price,name",
            {"external_id": "external_id", "field:seats": "price"},
        ),
        ("price,external_id", {"external_id": "external_id", "field:seats": "price"}),
        (
            "external_id,cost,serial",
            {"external_id": "external_id", "field:serial": "serial"},
        ),
        ("external_id,seats", {"external_id": "external_id", "field:seats": "seats"}),
    ],
)
def test_mapping_is_kept_where_columns_still_match(
    operator: Client, columns: str, kept: dict[str, str]
) -> None:
    mapping = {"external_id": "external_id", "price": "field:seats"}
    job = stages.draft(f"{columns}\n{',' * columns.count(',')}x\n", mapping=mapping)

    page = operator.get(path(job, "map/"))

    assert chosen(page.text) == kept


def test_row_shows_what_the_column_has(operator: Client) -> None:
    job = stages.draft()
    job.file.sample = [[row, [f"g-{row}", "1.5"]] for row in range(2, 8)]
    job.file.rows = 215
    job.file.save()
    for position, (name, filled) in enumerate(
        {"external_id": 215, "price": 200}.items()
    ):
        ColumnFacts.objects.create(
            file=job.file, position=position, name=name, filled=filled, longest=3
        )

    page = operator.get(path(job, "map/"))

    rows = {row.target.key: row.column for row in page.context["rows"] if row.column}
    assert rows["external_id"].samples == ["g-2", "g-3", "g-4"]
    assert rows["external_id"].fill_rate == "Filled in every row"
    assert rows["field:price"].samples == ["1.5"]
    assert rows["field:price"].fill_rate == "93% filled (200 of 215 rows)"


def test_mapping_is_saved_and_checked(
    operator: Client, task_queue: TaskQueue, django_capture_on_commit_callbacks: Any
) -> None:
    job = stages.draft()
    fields = {
        "source_external_id": "external_id",
        "source_field:seats": "price",
        "blank": "clear",
    }

    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post(path(job, "map/"), fields)

    job.refresh_from_db()
    assert answer["Location"] == path(job, "check/")
    assert job.state == JobState.CHECKING
    assert job.mapping == {"external_id": "external_id", "price": "field:seats"}
    assert job.options["blank"] == "clear"
    assert task_queue == [("check_job", (job.pk,))]


def test_options_that_the_page_does_not_show_stay(operator: Client) -> None:
    others = {
        "invalid": "skip",
        "warnings": "skip",
        "generate_external_ids": True,
        "compare": True,
        "keep_undo": True,
        "refuse_changed": "strict",
        "match": {"only_in_account": "delete", "max_records": 5},
    }
    job = stages.draft()
    stages.changed(job, options=job.options | others)

    operator.post(
        path(job, "map/"),
        {"source_external_id": "external_id", "blank": "clear", "then": "save"},
    )

    before = Options.from_json(job.options | others)
    after = Options.from_json(Job.objects.get().options)
    assert after == replace(before, blank="clear")


def test_saving_the_draft_starts_no_check(operator: Client) -> None:
    job = stages.draft()

    answer = operator.post(
        path(job, "map/"), {"source_name": "price", "blank": "skip", "then": "save"}
    )

    job.refresh_from_db()
    assert answer["Location"] == path(job, "map/")
    assert job.state == JobState.DRAFT
    assert job.mapping == {"price": "name"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "External ID is required. Map a column to it."),
        (
            {"source_external_id": "price", "source_name": "price"},
            "“price” is chosen for External ID and Name. A column fills one field.",
        ),
        ({"source_external_id": "nothing"}, "The file has no column “nothing”."),
    ],
)
def test_mapping_that_cannot_work_says_why(
    operator: Client, fields: dict[str, str], says: str
) -> None:
    job = stages.draft()

    answer = operator.post(path(job, "map/"), fields | {"blank": "skip"})

    at_top, _, at_button = answer.text.partition('id="map-missing-below"')
    assert answer.status_code == 200
    assert says in at_top
    assert "Required, but no column is mapped" not in at_top
    assert says in at_button
    assert Job.objects.get(pk=job.pk).state == JobState.DRAFT


def test_mapping_of_a_job_being_checked_is_not_checked_twice(operator: Client) -> None:
    job = stages.draft()
    fields = {"source_external_id": "external_id", "blank": "skip"}

    locations = [operator.post(path(job, "map/"), fields)["Location"] for _ in range(2)]

    assert locations == [path(job, "check/")] * 2
    assert Job.objects.get(pk=job.pk).state == JobState.CHECKING


def test_mapping_that_comes_too_late_is_refused(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = stages.checked()
    launched_meanwhile(monkeypatch, "set_mapping")

    answer = operator.post(
        path(job, "map/"), {"source_external_id": "external_id", "blank": "skip"}
    )

    assert "Its mapping can no longer be changed." in answer.text
    assert Job.objects.get().mapping == job.mapping


def test_choosing_a_column_redraws_what_depends_on_it(operator: Client) -> None:
    job = stages.draft()
    Job.objects.update(mapping={"price": "field:price"})
    fields = {"source_name": "price", "blank": "skip"}

    answer = operator.post(
        path(job, "map/"),
        fields,
        headers=HTMX | {"HX-Trigger-Name": "source_name"},
    )

    assert re.findall(r'id="([^"]+)"\s+hx-swap-oob="true"', answer.text) == [
        "cells-2",
        "rule-2",
        "map-count",
        "map-missing-above",
        "map-missing-below",
        "map-unused",
    ]
    assert "Required, but no column is mapped: External ID" in visible(answer.text)
    assert Job.objects.get().mapping == {"price": "field:price"}


def test_columns_with_odd_names_can_be_chosen(operator: Client) -> None:
    job = stages.draft("external_id,price\ng-1,1\n")
    columns = ["Price\nin EUR", "Price in EUR", "x" * 300]
    job.file.columns = columns
    job.file.save()

    page = operator.get(path(job, "map/"))
    labels = list(page.context["form"].labels)
    keys = ["external_id", "name", "field:notes"]
    operator.post(
        path(job, "map/"),
        {f"source_{key}": label for key, label in zip(keys, labels, strict=True)}
        | {"blank": "skip"},
    )

    assert labels == [
        "Price in EUR",
        "Price in EUR (column 2)",
        f"{'x' * 100} (column 3)",
    ]
    assert Job.objects.get().mapping == dict(zip(columns, keys, strict=True))


def test_page_stays_small_with_many_columns_and_fields(operator: Client) -> None:
    job = wide(columns=1000, targets=100)

    page = operator.get(path(job, "map/"))
    fields = {
        f"source_field:field_{n}": f"Column {n + 1} of the export" for n in range(100)
    }
    answer = operator.post(
        path(job, "map/"),
        fields | {"source_external_id": "external_id", "blank": "skip"},
    )

    assert len(page.content) < 250_000
    assert answer["Location"] == path(job, "check/")
    assert len(Job.objects.get().mapping) == 101
