"""API tokens: creation, authentication, scopes, visibility."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import Http404
from django.utils import timezone

from jobsui.access import lookup, policy, roles, tokens
from jobsui.access.errors import TokenRefused
from jobsui.access.models import ApiToken, Role, Scope
from jobsui.access.policy import Principal
from jobsui.jobs.models import File
from tests.factories import make_connection, make_file, make_user
from tests.web import stages

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make_user("ana")


def test_token_authenticates_and_only_its_digest_is_stored(ana: User) -> None:
    token, text = tokens.create(ana, "nightly")

    assert tokens.authenticate(text) == token
    assert text.startswith(f"{token.prefix}_")
    assert text.removeprefix(f"{token.prefix}_") not in str(
        ApiToken.objects.values().get()
    )


@pytest.mark.parametrize(
    "wrong", ["", "x", "jobsui_", "{}x", "x{}", "{}" + "x" * 100, "\x00{}", "{}\x00"]
)
def test_other_text_does_not_authenticate(ana: User, wrong: str) -> None:
    _, text = tokens.create(ana, "nightly")

    assert tokens.authenticate(wrong.format(text)) is None


def test_secret_of_another_token_does_not_authenticate(ana: User) -> None:
    one, _ = tokens.create(ana, "one")
    other, other_text = tokens.create(ana, "other")
    other_secret = other_text.removeprefix(other.prefix)

    assert tokens.authenticate(one.prefix + other_secret) is None


def test_expired_token_does_not_authenticate(ana: User) -> None:
    token, text = tokens.create(ana, "nightly", days=30)
    assert token.expires_at is not None
    lifetime = token.expires_at - timezone.now()
    before = tokens.authenticate(text)

    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert before == token
    assert tokens.authenticate(text) is None
    assert timedelta(days=29, hours=23) < lifetime <= timedelta(days=30)


def test_revoked_token_does_not_authenticate(ana: User) -> None:
    token, text = tokens.create(ana, "nightly")

    tokens.revoke(token)

    assert tokens.authenticate(text) is None


def test_token_of_deactivated_owner_does_not_authenticate(ana: User) -> None:
    _, text = tokens.create(ana, "nightly")

    User.objects.update(is_active=False)

    assert tokens.authenticate(text) is None


def test_new_secret_key_ends_all_tokens(ana: User, settings: Any) -> None:
    _, text = tokens.create(ana, "nightly")

    settings.SECRET_KEY = "another" * 10

    assert tokens.authenticate(text) is None


def test_last_use_is_recorded_once_a_minute(ana: User) -> None:
    token, text = tokens.create(ana, "nightly")
    tokens.authenticate(text)
    first = ApiToken.objects.get().last_used_at

    tokens.authenticate(text)
    again = ApiToken.objects.get().last_used_at
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    tokens.authenticate(text)

    token.refresh_from_db()
    assert first == again
    assert token.last_used_at is not None
    assert timezone.now() - token.last_used_at < timedelta(seconds=30)


def test_only_administrators_create_admin_tokens(ana: User) -> None:
    with pytest.raises(TokenRefused):
        tokens.create(ana, "nightly", scope=Scope.ADMIN)

    assert not ApiToken.objects.exists()


def test_admin_token_loses_the_scope_with_its_owner() -> None:
    owner = make_user("boss", admin=True)
    token, _ = tokens.create(owner, "nightly", scope=Scope.ADMIN)
    before = policy.scope(token)

    roles.assign(owner, Role.OPERATOR)
    token = ApiToken.objects.get()

    assert before == Scope.ADMIN
    assert policy.scope(token) == Scope.RUN


def test_scopes_include_smaller_scopes() -> None:
    included = {
        scope.value: [each.value for each in Scope if scope.includes(each)]
        for scope in Scope
    }

    assert included == {
        "read": ["read"],
        "run": ["read", "run"],
        "admin": ["read", "run", "admin"],
    }


def test_bound_token_sees_only_its_connection(ana: User) -> None:
    custom_object = stages.gadget()
    job = stages.settled(stages.ROWS, stages.failed())
    elsewhere = make_connection(name="Elsewhere")
    bound, _ = tokens.create(ana, "nightly", connection=elsewhere)
    free, _ = tokens.create(ana, "daily")

    assert list(lookup.connections(bound)) == [elsewhere]
    assert list(lookup.objects(bound)) == []
    assert list(lookup.jobs(bound)) == []
    assert list(lookup.jobs(free)) == [job]
    assert set(lookup.connections(free)) == {elsewhere, custom_object.connection}
    with pytest.raises(Http404):
        lookup.job(bound, job.code)
    with pytest.raises(Http404):
        lookup.draft_or_job(bound, job.code)


def test_files_are_seen_by_who_uploaded_them_until_a_job_has_them(ana: User) -> None:
    mine = make_file("name\nx\n", uploaded_by=ana)
    ben = make_user("ben")
    others = make_file("name\nx\n", uploaded_by=ben)
    job = stages.draft()

    assert [seen_by(who, mine) for who in (ana, ben)] == [True, False]
    assert [seen_by(who, others) for who in (ana, ben)] == [False, True]
    assert [seen_by(who, job.file) for who in (ana, ben)] == [True, True]


def test_bound_token_sees_no_file_of_another_connection(ana: User) -> None:
    of_job = stages.draft().file
    connection = make_connection(name="Elsewhere")
    bound, _ = tokens.create(ana, "nightly", connection=connection)
    free, _ = tokens.create(ana, "daily")
    own = make_file("name\nx\n", uploaded_by=ana, connection=connection)
    of_person = make_file("name\nx\n", uploaded_by=ana)

    assert [seen_by(bound, file) for file in (own, of_person, of_job)] == [
        True,
        False,
        False,
    ]
    assert [seen_by(free, file) for file in (own, of_person, of_job)] == [True] * 3


def seen_by(who: Principal, file: File) -> bool:
    try:
        return lookup.file(who, file.code) == file
    except Http404:
        return False


def test_administrators_see_all_tokens_and_others_their_own(ana: User) -> None:
    owner = make_user("boss", admin=True)
    mine, _ = tokens.create(ana, "mine")
    theirs, _ = tokens.create(owner, "theirs")

    assert list(lookup.tokens(ana)) == [mine]
    assert set(lookup.tokens(owner)) == {mine, theirs}
