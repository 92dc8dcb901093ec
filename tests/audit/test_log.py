"""The audit log: its chain, and what changes it."""

import io
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from jobsui.audit import log, origin, search
from jobsui.audit.log import Subject
from jobsui.audit.models import Action, AppendOnly, Entry, Head
from jobsui.audit.origin import Origin

pytestmark = pytest.mark.django_db
JOB = Subject("job", "0001", "assets.csv", "Acme")


def add(number: int) -> None:
    for each in range(number):
        log.record(Action.JOB_PAUSED, JOB, person="ana", after={"rows": each})


def verified() -> str:
    """What the command prints."""
    out = io.StringIO()
    call_command("verifyaudit", stdout=out)
    return out.getvalue()


def written(sql: str) -> None:
    """As somebody does who can write to the database."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_entry_says_who_did_what_from_where() -> None:
    with origin.of_request("203.0.113.7", "leo"):
        origin.is_program("ana", "jobsui_abc")
        log.record(
            Action.SETTINGS_CHANGED, JOB, before={"weight": 1}, after={"weight": 2}
        )
        request = origin.current().request

    entry = Entry.objects.get()
    assert (entry.number, entry.person, entry.means) == (1, "ana", "jobsui_abc")
    assert (entry.address, entry.action) == ("203.0.113.7", "settings_changed")
    assert (entry.subject, entry.connection) == ("assets.csv", "Acme")
    assert entry.request == request
    assert origin.current() == Origin()
    assert entry.changes == {"weight": ("1", "2")}


def test_what_is_done_without_a_request_has_no_address() -> None:
    with origin.of_request("203.0.113.7", "ana"):
        pass
    origin.is_program("leo", "jobsui_abc")
    add(1)

    entry = Entry.objects.get()
    assert (entry.address, entry.request, entry.means) == ("", "", "")


def test_entries_are_chained() -> None:
    add(3)

    entries = list(Entry.objects.order_by("number"))
    head = Head.objects.get()
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert [entry.previous_digest for entry in entries] == [
        "",
        entries[0].digest,
        entries[1].digest,
    ]
    assert (head.number, head.digest) == (3, entries[2].digest)
    assert log.mistake() == ""
    assert verified() == (
        "All 3 entries are as they were written. "
        f"Digest of the last one: {head.digest}\n"
    )


def test_empty_log_is_right() -> None:
    assert verified() == (
        "All 0 entries are as they were written. Digest of the last one: none\n"
    )


def test_entry_of_a_transaction_that_fails_is_not_written() -> None:
    add(1)
    with transaction.atomic():
        add(1)
        transaction.set_rollback(True)
    add(1)

    assert [entry.number for entry in Entry.objects.all()] == [2, 1]
    assert log.mistake() == ""


def test_entries_are_neither_changed_nor_deleted() -> None:
    add(1)
    entry = Entry.objects.get()
    attempts: list[Callable[[], object]] = [
        entry.save,
        entry.delete,
        Entry.objects.all().delete,
        lambda: Entry.objects.update(person="leo"),
    ]

    for attempt in attempts:
        with pytest.raises(AppendOnly):
            attempt()

    assert Entry.objects.get().person == "ana"


@pytest.mark.parametrize(
    ("sql", "mistake"),
    [
        (
            "UPDATE audit_entry SET person = 'leo' WHERE number = 2",
            "Entry 2 was changed.",
        ),
        (
            "UPDATE audit_entry SET digest = 'x' WHERE number = 2",
            "Entry 2 was changed.",
        ),
        ("DELETE FROM audit_entry WHERE number = 2", "Entry 2 is missing."),
        (
            "DELETE FROM audit_entry WHERE number = 3",
            "The log ends with entry 2, and 3 were written.",
        ),
        ("DELETE FROM audit_entry", "The log ends with entry 0, and 3 were written."),
    ],
)
def test_what_was_tampered_with_is_found(sql: str, mistake: str) -> None:
    add(3)
    written(sql)

    with pytest.raises(CommandError) as raised:
        verified()

    assert str(raised.value) == f"{mistake} The audit log was tampered with."


def test_entry_with_a_new_digest_does_not_fit_the_next_one() -> None:
    add(3)
    entry = Entry.objects.get(number=2)
    entry.person = "leo"
    written(
        f"UPDATE audit_entry SET person = 'leo', digest = '{entry.expected_digest}' "
        "WHERE number = 2"
    )

    assert log.mistake() == "Entry 3 does not follow the one before."


def test_long_texts_are_cut() -> None:
    log.record(
        Action.EXPORTED, Subject("job", "1", "x" * 400), after={"file": "y" * 300}
    )

    entry = Entry.objects.get()
    assert (entry.subject, entry.after) == ("x" * 300, {"file": "y" * 200 + "…"})
    assert log.mistake() == ""


def test_entries_are_found_by_what_they_say() -> None:
    add(1)
    log.record(Action.EXPORTED, Subject("job", "0002", "other.csv"), person="leo")

    found = [
        search.found(person="LEO"),
        search.found(action="job_paused"),
        search.found(text="other"),
        search.found(text="acme"),
        search.found(person="ana", text="other"),
        search.found(),
    ]

    assert [[entry.number for entry in entries] for entries in found] == [
        [2],
        [1],
        [2],
        [1],
        [],
        [2, 1],
    ]


def test_changes_are_told_in_words() -> None:
    log.record(
        Action.SETTINGS_CHANGED,
        JOB,
        before={"hold_after_first_batch": True, "share": 1, "role": ""},
        after={"hold_after_first_batch": False, "share": 1, "role": "viewer"},
    )

    assert Entry.objects.get().changes == {
        "hold after first batch": ("yes", "no"),
        "role": ("", "viewer"),
    }
