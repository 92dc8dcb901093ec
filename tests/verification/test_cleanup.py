"""Records that a verification creates are deleted, whatever happens."""

from dataclasses import dataclass, replace

import pytest

from jobsui.zendesk.errors import NotSent, Unauthorized
from jobsui.zendesk.transport import Received, Request
from tests.verification.accounts import KEY, VirtualTime, account

pytestmark = pytest.mark.django_db

MAX_RECORDS = 100
MAX_JOBS = 100
"""The command asks for consent to create this many."""


@dataclass
class Interruption:
    """Raises an error once, instead of the response to the request with this number that
    begins a job."""

    number: int
    error: BaseException
    posted: int = 0

    def __call__(self, request: Request, received: Received) -> Received:
        if request.method == "POST" and request.url.endswith("/jobs"):
            self.posted += 1
            if self.posted == self.number:
                raise self.error
        return received


def refuse_deletes(request: Request) -> Request | Received:
    """Credentials that may create records, but not delete them."""
    is_delete_job = b'"action": "delete' in (request.body or b"")
    if request.method == "DELETE" or is_delete_job:
        return Received(403, {}, b'{"error": "Forbidden"}')
    return request


def without_filters(request: Request) -> Request:
    """For an account that ignores filters and lists every record."""
    params = {
        name: value
        for name, value in (request.params or {}).items()
        if not name.startswith("filter")
    }
    return replace(request, params=params)


def test_run_creates_no_more_than_the_command_announces(clock: VirtualTime) -> None:
    verified = account(clock).run()

    table = verified.transport.account.objects[KEY].table
    assert len(table.rows) <= MAX_RECORDS
    assert len(verified.transport.account.jobs.all) <= MAX_JOBS
    assert verified.external_ids == []
    assert verified.verification.records_left == []


@pytest.mark.parametrize("number", [1, 2, 9, 30])
def test_interrupted_run_deletes_its_records(clock: VirtualTime, number: int) -> None:
    verified = account(clock, change=Interruption(number, KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        verified.run()

    assert verified.external_ids == []
    assert verified.verification.records_left == []


def test_job_that_was_interrupted_has_time_to_end_first(clock: VirtualTime) -> None:
    verified = account(clock, change=Interruption(1, KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        verified.run()

    interrupted, deletion = verified.transport.account.jobs.all.values()
    assert deletion.action == "delete_by_external_id"
    waited = deletion.accepted - interrupted.accepted
    assert waited >= verified.verification.account.timing.max_lag


def test_run_that_loses_the_network_deletes_its_records(clock: VirtualTime) -> None:
    verified = account(clock, change=Interruption(12, NotSent("No network.")))

    with pytest.raises(NotSent):
        verified.run()

    assert verified.external_ids == []


def test_job_whose_response_was_lost_leaves_no_record(clock: VirtualTime) -> None:
    faults = {"drop-after-accept": {"rate": 1, "times": 2}}

    verified = account(clock, faults=faults, settings={"job_seconds": 30}).run()

    assert verified.external_ids == []


def test_records_of_others_stay(clock: VirtualTime) -> None:
    verified = account(clock)
    sandbox = verified.transport.account
    other = {"name": "Other", "external_id": "other-1"}
    sandbox.writer.create(sandbox.objects[KEY], other)

    verified.run()

    assert verified.external_ids == ["other-1"]


def test_account_that_ignores_filters_keeps_the_records_of_others(
    clock: VirtualTime,
) -> None:
    verified = account(clock)
    sandbox = verified.transport.account
    other = {"name": "Other", "external_id": "other-1"}
    sandbox.writer.create(sandbox.objects[KEY], other)
    verified.transport.intercept = without_filters

    verified.run()

    assert verified.external_ids == ["other-1"]


def test_records_that_cannot_be_deleted_are_named(clock: VirtualTime) -> None:
    verified = account(clock)
    verified.transport.intercept = refuse_deletes

    verified.run()

    existing = {value for value in verified.external_ids if value}
    left = set(verified.verification.records_left)
    assert len(existing) > 30
    assert existing - left == set()


def test_run_without_scratch_object_only_reads(clock: VirtualTime) -> None:
    verified = account(clock, with_scratch=False).run()

    assert {request.method for request in verified.transport.requests} == {"GET"}
    assert {str(each.verdict) for each in verified.answers} <= {
        "holds",
        "could not be asked",
    }


def test_revoked_credentials_end_the_run(clock: VirtualTime) -> None:
    verified = account(clock)
    verified.transport.account.settings.api_tokens = False

    with pytest.raises(Unauthorized):
        verified.run()

    assert verified.answers == []
