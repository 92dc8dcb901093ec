"""A correction checks only the rows that it concerns, and finds what a whole check finds."""

import io
import threading
from typing import Any, BinaryIO, cast

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobsui.connections.models import CustomObject
from jobsui.files.intake import stage
from jobsui.jobs.control import corrections
from jobsui.jobs.control.corrections import CellChange
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.ledger import problem_rows
from jobsui.jobs.models import BatchBlob, Cause, Job, RecordKeys, RepeatedKeys
from jobsui.jobs.preparation import checker, file_reading, planner, recheck
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET

COLUMNS = ("external_id", "name", "price", "seats", "serial", "notes")
CELLS = {
    "external_id": st.sampled_from(["", "a", "b", "c", " a", "d"]),
    "name": st.sampled_from(["", "n", "m"]),
    "price": st.sampled_from(["", "1", "x", "y", "1,5", "2.50"]),
    "seats": st.sampled_from(["", "4", "four", "x"]),
    "serial": st.sampled_from(["AB-000001", "AB-000001", "none", ""]),
    "notes": st.just("No row is blank."),
}
ROW = st.tuples(*(CELLS[column] for column in COLUMNS))


@st.composite
def edits(draw: st.DrawFn) -> tuple[Any, ...]:
    column = draw(st.sampled_from(COLUMNS))
    after = draw(CELLS[column])
    match draw(st.sampled_from(["cell", "text", "undo", "many"])):
        case "cell":
            return ("cell", draw(st.integers(2, 7)), column, after)
        case "text":
            return ("text", column, draw(CELLS[column]), after)
        case "many":
            rows = draw(st.lists(st.integers(2, 7), max_size=4))
            return ("many", rows, column, after)
    return ("undo", draw(st.integers(0, 5)))


def gadget() -> CustomObject:
    return make_object(make_connection(), "gadget", fields=GADGET)


def written(rows: list[tuple[str, ...]]) -> str:
    lines = [",".join(f'"{cell}"' for cell in row) for row in (COLUMNS, *rows)]
    return "\n".join(lines) + "\n"


def staged(job: Job) -> Job:
    """With a file that was read."""
    file = job.file
    out = io.BytesIO()
    with default_storage.open(file.stored_as) as stream:
        stage(cast(BinaryIO, stream), file_reading.layout_of(file), out)
    content = ContentFile(out.getvalue())
    file.staged_as = default_storage.save("uploads/staged", content)
    file.save()
    return job


def check(job: Job) -> Job:
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def apply(job: Job, edit: tuple[Any, ...]) -> None:
    match edit:
        case ("cell", row, column, after):
            corrections.correct_cell(job, row, column, after, by=None)
        case ("text", column, before, after):
            corrections.replace_text(job, column, before, after, by=None)
        case ("many", rows, column, after):
            changes = [CellChange(row, column, after) for row in rows]
            corrections.correct_many(job, changes, by=None)
        case ("undo", number):
            made = list(job.corrections.order_by("pk"))
            if made:
                corrections.undo(made[number % len(made)], by=None)


def stored(job: Job) -> dict[str, Any]:
    """What the check has found."""
    job.refresh_from_db()
    causes = Cause.objects.filter(job=job, phase=Cause.Phase.CHECK)
    rows = problem_rows.rows_of(causes)
    keys = RepeatedKeys.objects.get(job=job)
    parts = RecordKeys.objects.filter(job=job)
    return {
        "state": job.state,
        "invalid": job.rows_invalid,
        "warned": job.rows_warned,
        "fingerprint": job.checked_fingerprint,
        "causes": {
            (cause.code, cause.column): (
                cause.count,
                list(rows[cause.pk]),
                cause.sample_rows,
                sorted(cause.sample_values),
                sorted(cause.value_counts),
                cause.message,
                cause.fix,
            )
            for cause in causes
        },
        "repeated": {key: pair for key, pair in keys.rows.items() if pair[0]},
        "sharing": {key: pair for key, pair in keys.sharing.items() if pair[0]},
        "keys": sorted(pair for part in parts for pair in part.rows_by_hash),
    }


class TestRecheck(TestCase):
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.generate],
    )
    @given(
        rows=st.lists(ROW, min_size=6, max_size=6),
        made=st.lists(edits(), min_size=1, max_size=5),
        is_by_text=st.booleans(),
        action=st.sampled_from([Action.CREATE, Action.UPSERT_BY_EXTERNAL_ID]),
    )
    def test_recheck_finds_what_a_whole_check_finds(
        self,
        rows: list[tuple[str, ...]],
        made: list[tuple[Any, ...]],
        is_by_text: bool,
        action: Action,
    ) -> None:
        job = check(staged(make_job(written(rows), action, to=gadget())))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recheck, "MAX_READ_ROWS", 1 if is_by_text else 1_000)
            patch.setattr(recheck, "MAX_ROWS_READ_TWICE", 1 if is_by_text else 1_000)
            for edit in made:
                apply(job, edit)
                job.refresh_from_db()
                if job.state != JobState.READY:
                    assert is_by_text
                    checker.check(job, stopping=threading.Event())

        found = stored(job)

        assert found == stored(check(job))


EDIT = edits().filter(lambda edit: edit[0] != "undo")


class TestCorrectedRows(TestCase):
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.generate],
    )
    @given(
        rows=st.lists(ROW, min_size=6, max_size=6),
        made=st.lists(EDIT, min_size=1, max_size=6),
    )
    def test_corrected_rows_are_what_is_sent(
        self, rows: list[tuple[str, ...]], made: list[tuple[Any, ...]]
    ) -> None:
        upsert = Action.UPSERT_BY_EXTERNAL_ID
        to = gadget()
        job = check(staged(make_job(written(rows), upsert, to=to, invalid="skip")))
        for edit in made:
            apply(job, edit)

        corrected = make_job(written(edited(rows, made)), upsert, to=to, invalid="skip")

        assert sent(job) == sent(check(corrected))


def edited(
    rows: list[tuple[str, ...]], made: list[tuple[Any, ...]]
) -> list[tuple[str, ...]]:
    """The rows as a person sees them after these edits, one after the other."""
    table = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for edit in made:
        match edit:
            case ("cell", row, column, after):
                table[row - 2][column] = after
            case ("many", numbers, column, after):
                for row in numbers:
                    table[row - 2][column] = after
            case ("text", column, before, after):
                for cells in table:
                    if cells[column] == before:
                        cells[column] = after
    return [tuple(cells.values()) for cells in table]


def sent(job: Job) -> list[tuple[int, bytes | str]]:
    """The item of each row, or why it is not sent."""
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    planner.plan(job, stopping=threading.Event())
    blobs = BatchBlob.objects.filter(batch__job=job)
    items: list[tuple[int, bytes | str]] = [
        (row, line)
        for blob in blobs
        for row, line in zip(blob.row_numbers, blob.lines, strict=True)
    ]
    errors = job.row_errors.values_list("row", "message")
    return sorted([*items, *errors])
