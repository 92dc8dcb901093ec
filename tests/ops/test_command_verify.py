import functools
import sys
from pathlib import Path

import pytest

from jobsui.ops.management.commands import verify
from jobsui.verification import reads
from jobsui.verification.account import Account
from tests.ops.commands import Terminal, run
from tests.sandbox_transport import SandboxTransport
from tests.verification.accounts import KEY, VirtualTime, account, clock
from tests.verification.test_cleanup import refuse_deletes

__all__ = ["clock"]

pytestmark = pytest.mark.django_db


class Typed(Terminal):
    """Standard input that is a terminal."""


@pytest.fixture
def transport(clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> SandboxTransport:
    """The account of the connection Acme, which the command reaches."""
    transport = account(clock, with_scratch=False).transport
    reached = functools.partial(Account, clock=clock, transport=transport)
    monkeypatch.setattr(verify, "Account", reached)
    return transport


def test_report_without_scratch_is_written_to_standard_output(
    transport: SandboxTransport,
) -> None:
    ran = run("verify", "Acme")

    assert ran.status == 0
    assert ran.lines[0] == "# Verification of a Zendesk account"
    assert "15 of 15 assumptions hold, 0 do not (0 with consequences). " in ran.out
    assert {request.method for request in transport.requests} == {"GET"}


def test_report_goes_to_a_file_and_its_summary_to_standard_output(
    transport: SandboxTransport, tmp_path: Path
) -> None:
    transport.account.assumptions.change({"currency-shape": "object"})
    out = tmp_path / "report.md"

    ran = run("verify", "Acme", "--scratch", KEY, "--yes", "--out", str(out))

    assert ran.status == 1
    assert ran.lines[0].split() == ["QUESTION", "VERDICT", "OBSERVED"]
    currency = next(line for line in ran.lines if line.startswith("currency-shape"))
    assert currency.split(maxsplit=1)[1].split("  ") == [
        "does not hold",
        "an object with amount, currency",
    ]
    assert ran.lines[-1] == f"Report: {out}"
    assert out.read_text().startswith("# Verification of a Zendesk account\n")


def test_scratch_needs_consent(transport: SandboxTransport) -> None:
    ran = run("verify", "Acme", "--scratch", KEY)

    assert ran.status == 2
    assert ran.err == (
        "verify needs your consent to create records. Add --yes, or run it on a "
        "terminal.\n"
    )
    assert {request.method for request in transport.requests} == {"GET"}


@pytest.mark.parametrize(("typed", "status"), [("yes\n", 0), ("no\n", 2), ("", 2)])
def test_consent_is_typed_on_a_terminal(
    transport: SandboxTransport,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    status: int,
) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(typed))

    ran = run("verify", "Acme", "--scratch", KEY)

    assert ran.status == status
    assert "create up to 100 records of device in the account Acme" in ran.err
    has_written = any(request.method != "GET" for request in transport.requests)
    assert has_written == (status == 0)


@pytest.mark.usefixtures("transport")
def test_unknown_scratch_object_is_an_error() -> None:
    ran = run("verify", "Acme", "--scratch", "missing", "--yes")

    assert ran.status == 2
    assert ran.err == "The account has no custom object missing.\n"


def test_interrupted_run_reports_what_was_asked(
    transport: SandboxTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_account: Account) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reads, "first_object", interrupt)

    ran = run("verify", "Acme")

    assert ran.status == 130
    assert ran.err == "Interrupted.\n"
    assert "7 of 7 assumptions hold" in ran.out
    assert "the verification ended before it" in ran.out
    assert transport.requests


def test_records_that_are_left_are_named_on_the_console(
    transport: SandboxTransport,
) -> None:
    transport.account.settings.role = "admin"
    transport.intercept = refuse_deletes

    ran = run("verify", "Acme", "--scratch", KEY, "--yes")

    assert (
        "Search for these external IDs in Zendesk and delete what you find" in ran.err
    )
    assert "jobsui-verify-" in ran.err
    assert "jobsui-verify-" not in ran.out
    assert "| Records that are perhaps left |" in ran.out
