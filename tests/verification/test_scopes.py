"""What the scopes of an access token permit."""

from typing import Any

import pytest

from jobsui.connections.models import Connection
from jobsui.verification.account import Account
from jobsui.verification.runner import Verification
from tests.sandbox_server import Sandbox
from tests.verification.accounts import (
    Verified,
    VirtualTime,
    access_token_connection,
    account,
)

pytestmark = pytest.mark.django_db

NARROW = ["custom_objects:read", "custom_objects:write"]
QUESTIONS = ("granted-scopes", "users-me-scope", "job-statuses-scope", "jobs-scope")
DOES_NOT_HOLD = "does not hold"
HELD = "custom_objects:read, custom_objects:write"


def answers(verified: Verified) -> dict[str, str]:
    """The verdicts of the questions about scopes."""
    verdicts = verified.run().verdicts
    return {question: verdicts[question] for question in QUESTIONS}


def with_token(
    clock: VirtualTime, scopes: list[str], assume: dict[str, Any] | None = None
) -> Verified:
    """An account whose connection has a token with these scopes."""
    connection = access_token_connection("a-token", scopes=" ".join(scopes))
    return account(
        clock, assume=assume, connection=connection, token=("a-token", scopes)
    )


def test_narrow_token_that_permits_everything_holds(clock: VirtualTime) -> None:
    verified = with_token(clock, NARROW)

    assert answers(verified) == dict.fromkeys(QUESTIONS, "holds")
    assert verified.observed["granted-scopes"] == f"the token has {HELD}"


@pytest.mark.parametrize(
    ("assumption", "question"),
    [
        ("users-me-scope=read", "users-me-scope"),
        ("job-statuses-scope=read", "job-statuses-scope"),
        ("jobs-scope=write", "jobs-scope"),
    ],
)
def test_call_that_needs_a_wide_scope_is_named(
    clock: VirtualTime, assumption: str, question: str
) -> None:
    name, _, value = assumption.partition("=")

    verified = with_token(clock, NARROW, {name: value})

    expected = dict.fromkeys(QUESTIONS, "holds") | {question: DOES_NOT_HOLD}
    assert answers(verified) == expected
    not_holding = [
        each for each, verdict in verified.verdicts.items() if verdict == DOES_NOT_HOLD
    ]
    assert not_holding == [question]
    assert verified.external_ids == []


def test_wide_token_says_nothing_about_narrow_scopes(clock: VirtualTime) -> None:
    verified = with_token(clock, ["read", "write"])

    assert answers(verified) == {
        "granted-scopes": "does not hold",
        "users-me-scope": "could not be asked",
        "job-statuses-scope": "could not be asked",
        "jobs-scope": "could not be asked",
    }
    assert verified.observed["jobs-scope"] == "the token has read, write"


@pytest.mark.parametrize(
    ("assumption", "verdict", "held"),
    [
        ("known", "holds", HELD),
        ("refused", "does not hold", "read, write"),
        ("dropped", "does not hold", "read, write"),
    ],
)
def test_token_of_a_client_shows_which_scopes_were_granted(
    sandbox: Sandbox, oauth_client: Connection, assumption: str, verdict: str, held: str
) -> None:
    sandbox.assume(granular_scopes=assumption)
    verification = Verification(Account(oauth_client))

    verification.run(lambda _: None)

    found = {each.question.id: each for each in verification.answers}
    assert found["granted-scopes"].verdict == verdict
    assert found["granted-scopes"].observed == f"the token has {held}"
