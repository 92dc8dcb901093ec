"""Values that the account stores in another form: learned from proofs, and the same after."""

from typing import Any

import pytest

from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, comparisons, proofs
from jobsui.jobs.enums import Action, JobState, Landing, ReadState, Verdict
from jobsui.jobs.live.proof import proved
from jobsui.jobs.mapping.comparison import Form, Likeness, forms_of, likeness
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.records import stored_forms
from jobsui.jobs.reports import proved_rows
from jobsui.zendesk.payloads import Record, Schema
from tests.factories import make_object
from tests.harness import Harness

FIELDS = [
    {"key": "note", "title": "Note", "type": "textarea"},
    {"key": "insured", "title": "Insured", "type": "checkbox"},
]
UPSERT = Action.UPSERT_BY_EXTERNAL_ID


@pytest.mark.parametrize(
    ("sent", "held", "forms"),
    [
        ("a ", "a", (Form.TRIMMED,)),
        ("  ", None, (Form.TRIMMED,)),
        ("a\r\nb", "a\nb", (Form.LINE_ENDS,)),
        ("a\nb", "a\r\nb", (Form.LINE_ENDS,)),
        ("e\u0301", "\xe9", (Form.COMPOSED,)),
        ("a\r\nb ", "a\nb", (Form.TRIMMED, Form.LINE_ENDS)),
        (None, False, (Form.UNCHECKED,)),
        ("", False, (Form.UNCHECKED,)),
        ("a", "a ", ()),
        ("a", "A", ()),
        ("a", None, ()),
        (" ", 0, ()),
        (True, False, ()),
        (None, True, ()),
        ("a", "a", ()),
    ],
)
def test_form_explains_another_value(
    sent: Any, held: Any, forms: tuple[Form, ...]
) -> None:
    assert forms_of(sent, held) == forms
    if forms:
        assert likeness(sent, held, stored_forms=forms) >= Likeness.EQUAL
        assert likeness(sent, held, stored_forms=()) < Likeness.EQUAL


def test_other_forms_than_the_known_ones_differ() -> None:
    assert likeness("a ", "a", stored_forms=[Form.LINE_ENDS]) < Likeness.EQUAL
    assert likeness("a", "a ", stored_forms=[Form.TRIMMED]) < Likeness.EQUAL


def device(harness: Harness) -> CustomObject:
    harness.sandbox.make_object("device", fields=FIELDS)
    return objects.refresh(make_object(harness.connection, "device"))


def checked(harness: Harness, row: dict[str, str]) -> Job:
    rows = [{"external_id": "d-1", "name": "Device 1"} | row]
    return harness.checked(rows, UPSERT, key="device", blank="clear")


def sent(harness: Harness, row: dict[str, str]) -> Job:
    job = checked(harness, row)
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    return job


def proof_of(harness: Harness, job: Job) -> RecordRead:
    read = proofs.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()
    assert read.state == ReadState.DONE
    return read


def verdict(harness: Harness, row: dict[str, str]) -> str:
    read = comparisons.start(checked(harness, row), by=None)
    harness.task_queue.run_all()
    [page] = read.pages.all()
    return Verdict(page.blob.verdicts[0]).name


@pytest.mark.parametrize(
    ("assumed", "row", "field", "form"),
    [
        ({"text_spaces": "trimmed"}, {"note": "a "}, "note", Form.TRIMMED),
        ({"text_form": "line-feeds"}, {"note": "a\r\nb"}, "note", Form.LINE_ENDS),
        ({"text_form": "composed"}, {"note": "e\u0301"}, "note", Form.COMPOSED),
        (
            {"empty_checkbox": "false"},
            {"note": "a", "insured": ""},
            "insured",
            Form.UNCHECKED,
        ),
    ],
)
def test_form_that_a_proof_shows_is_the_same_from_then_on(
    harness: Harness,
    assumed: dict[str, str],
    row: dict[str, str],
    field: str,
    form: Form,
) -> None:
    thing = device(harness)
    harness.sandbox.assume(**assumed)
    job = sent(harness, row)
    before = verdict(harness, row)

    first = proof_of(harness, job)
    after = verdict(harness, row)
    again = proof_of(harness, job)

    thing.refresh_from_db()
    assert before == "CHANGE"
    assert first.counts == {"altered": 1}
    assert {key: list(forms) for key, forms in thing.stored_forms.items()} == {
        field: [form]
    }
    assert after == "SAME"
    assert again.counts == {"other_form": 1}
    assert [
        (each.name, each.form, each.records) for each in proved_rows.other_forms(again)
    ] == [(f"custom_object_fields.{field}", form, 1)]


def test_sample_of_a_form_is_what_was_sent_and_what_is_held(harness: Harness) -> None:
    device(harness)
    harness.sandbox.assume(text_spaces="trimmed")
    long = "x" * 500
    job = sent(harness, {"note": f"{long} "})

    proof_of(harness, job)
    [found] = proved_rows.other_forms(proof_of(harness, job))

    assert found.sent == f"…{'x' * 30} "
    assert found.held == f"…{'x' * 30}"


def test_account_that_keeps_values_teaches_nothing(harness: Harness) -> None:
    thing = device(harness)
    job = sent(harness, {"note": "a \r\ne\u0301"})

    proof_of(harness, job)

    thing.refresh_from_db()
    assert thing.stored_forms == {}


def test_forgotten_form_differs_again(harness: Harness) -> None:
    thing = device(harness)
    harness.sandbox.assume(text_spaces="trimmed")
    proof_of(harness, sent(harness, {"note": "a "}))

    stored_forms.forget(thing, "note", Form.TRIMMED)

    thing.refresh_from_db()
    assert thing.stored_forms == {}
    assert verdict(harness, {"note": "a "}) == "CHANGE"


def test_value_changed_since_teaches_nothing() -> None:
    schema = Schema.from_api("device", FIELDS)
    item = {"external_id": "d-1", "custom_object_fields": {"note": "a ", "insured": ""}}
    line = {"action": UPSERT, "item": item, "at": "2026-01-31T12:00:00+00:00"}
    held = {"note": "a", "insured": None}
    soon = Record("r", "", "d-1", held, "", "2026-01-31T12:00:01Z")
    later = Record("r", "", "d-1", held, "", "2026-01-31T12:05:00Z")

    as_stored = proved(line, schema, [soon])
    changed = proved(line, schema, [later])

    assert as_stored.forms == {"note": (Form.TRIMMED,)}
    assert changed.landing is Landing.CHANGED_SINCE
    assert changed.forms == {}
