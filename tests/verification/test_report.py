"""The report of a verification, and what it must not contain."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from requests.structures import CaseInsensitiveDict

from jobsui.verification import report
from jobsui.zendesk.transport import Received, Request
from tests.verification.accounts import (
    FIELDS,
    Verified,
    VirtualTime,
    access_token_connection,
    account,
    api_token_connection,
)

pytestmark = pytest.mark.django_db

STARTED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOKEN = "tok9f8e7d6c5b4a"
SUBDOMAIN = "hopperclinic"
OBJECT = "patient"
PERSON = "Grace Hopper"
EMAIL = "grace@hopperclinic.example"
PHONE_DIGITS = "491715550199"
PHONE = "+49 171 5550199"
FIELD = "diagnosis"
OPTION = "influenza"
MARKS = (TOKEN, SUBDOMAIN, OBJECT, "Grace", "Hopper", EMAIL, "5550199", FIELD, OPTION)
"""Secrets and personal data. Each is in many places of the account."""
EVERYTHING = f"{PERSON} {EMAIL} {PHONE} {TOKEN} {OPTION} {FIELD} {OBJECT} {SUBDOMAIN}"


def text_of(verified: Verified) -> str:
    facts = report.Facts.of(verified.verification, STARTED_AT)
    return report.markdown(verified.verification.all_answers(), facts)


def marked(value: Any) -> Any:
    """The value with personal data in each text that people read, and beside each
    member."""
    if isinstance(value, list):
        return [marked(each) for each in value]
    if not isinstance(value, dict):
        return value
    changed: dict[str, Any] = {}
    for name, each in value.items():
        is_shown = name in {
            "title",
            "message",
            "detail",
            "description",
            "error",
            "code",
        }
        if is_shown and isinstance(each, str):
            changed[name] = f"{each} {EVERYTHING}"
        else:
            changed[name] = marked(each)
    if isinstance(changed.get("custom_object_fields"), list):
        unknown_type = {"key": f"{FIELD}_x", "type": FIELD, "active": True}
        changed["custom_object_fields"].append(unknown_type)
    return changed | {FIELD: EVERYTHING}


def mark(_request: Request, received: Received) -> Received:
    headers = CaseInsensitiveDict(received.headers)
    headers["X-Zendesk-API-Warn"] = EVERYTHING
    headers["Set-Cookie"] = TOKEN
    headers["X-Rate-Limit"] = PHONE_DIGITS
    headers["zendesk-ratelimit-inflight-jobs"] = f"total={PHONE_DIGITS}"
    body = received.body
    if body.startswith(b"{"):
        body = json.dumps(marked(json.loads(body))).encode()
    return Received(received.status, headers, body)


def marked_account(clock: VirtualTime) -> Verified:
    fields = [dict(each) for each in FIELDS]
    for number, each in enumerate(fields):
        each["key"] = f"{FIELD}_{number}"
        each["title"] = f"{PERSON} {number}"
        if "custom_field_options" in each:
            each["custom_field_options"] = [{"value": OPTION, "name": PERSON}]
    connection = access_token_connection(
        TOKEN,
        name=f"{PERSON}'s clinic",
        host=f"{SUBDOMAIN}.zendesk.com",
        email=EMAIL,
        scopes=f"custom_objects:read custom_objects:write {SUBDOMAIN}:read",
    )
    return account(
        clock,
        connection=connection,
        token=(TOKEN, ["read", "write", f"{SUBDOMAIN}:read"]),
        fields=fields,
        key=OBJECT,
        change=mark,
    )


@pytest.mark.parametrize("role", ["admin", "end-user"])
def test_report_has_no_secrets_and_no_personal_data(
    clock: VirtualTime, role: str
) -> None:
    verified = marked_account(clock)
    verified.transport.account.settings.role = role

    verified.run()

    text = text_of(verified)

    assert [found for found in MARKS if found.lower() in text.lower()] == []


def test_marks_are_everywhere_in_the_account(clock: VirtualTime) -> None:
    """Otherwise the test before this one would prove little."""
    verified = marked_account(clock)
    bodies: list[bytes] = []
    verified.transport.change = lambda request, received: keep(
        bodies, mark(request, received)
    )

    verified.run()

    content = b"".join(bodies).decode().lower()
    assert [found for found in MARKS if found.lower() not in content] == []
    assert all(PERSON.encode() in body for body in bodies if body.startswith(b"{"))


def keep(bodies: list[bytes], received: Received) -> Received:
    bodies.append(received.body)
    return received


def test_report_names_no_record_and_no_job(clock: VirtualTime) -> None:
    verified = account(clock).run()

    text = text_of(verified)

    sandbox = verified.transport.account
    rows = [row for row in sandbox.objects["device"].table.rows if row]
    ids = [sandbox.objects["device"].table.id_of(row) for row in rows]
    assert verified.verification.scratch
    assert verified.verification.scratch.run_code not in text
    assert [each for each in (*ids, *sandbox.jobs.all) if each in text] == []


def test_report_has_the_same_answers_for_people_and_programs(
    clock: VirtualTime,
) -> None:
    verified = account(clock, assume={"currency-shape": "object"}).run()

    text = text_of(verified)

    data = json.loads(text.partition("```json\n")[2].partition("```")[0])
    currency = next(each for each in data["answers"] if each["id"] == "currency-shape")
    assert currency == {
        "id": "currency-shape",
        "source": "assumed",
        "request": "POST /api/v2/custom_objects/{object}/jobs, then "
        "GET /api/v2/custom_objects/{object}/records?filter[external_ids]=",
        "verdict": "does not hold",
        "matters": False,
        "observed": "an object with amount, currency",
    }
    assert data["date"] == "2026-06-01"
    assert data["field_types"] == {
        "text": 1,
        "textarea": 1,
        "integer": 2,
        "decimal": 1,
        "currency": 1,
        "checkbox": 1,
        "date": 1,
        "dropdown": 1,
        "multiselect": 1,
        "regexp": 1,
    }
    assert data["authentication"] == "API token (legacy)"
    assert "## Assumptions that do not hold here, without consequences" in text
    assert "## Assumptions that do not hold here, with consequences" not in text
    assert "As a number. (assumed) | an object with amount, currency |" in text


def test_document_of_commands_counts_the_questions(clock: VirtualTime) -> None:
    document = (settings.BASE_DIR / "docs" / "commands.md").read_text()

    reads = account(clock, with_scratch=False).verification.count
    all_questions = account(
        clock, connection=api_token_connection(name="Other")
    ).verification.count

    assert f"and asks {reads} questions." in document
    assert f"it asks {all_questions}." in document


def test_every_question_has_its_own_id(clock: VirtualTime) -> None:
    answers = account(clock, with_scratch=False).verification.all_answers()

    ids = [each.question.id for each in answers]
    assert sorted(set(ids)) == sorted(ids)
