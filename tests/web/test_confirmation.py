"""No page has a button that does at once what cannot be undone.

Each `..._page` returns the address of a page, and the address below it of an action that
the page offers."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access import tokens
from jobsui.jobs.enums import JobState
from tests.factories import make_connection, make_user
from tests.web import stages

pytestmark = pytest.mark.django_db


def job_page(_: User) -> tuple[str, str]:
    job = stages.planned(state=JobState.RUNNING)
    return f"/jobs/{job.code}/", "cancel/"


def draft_page(_: User) -> tuple[str, str]:
    return f"/jobs/new/{stages.draft().code}/", "discard/"


def connection_page(_: User) -> tuple[str, str]:
    return f"/connections/{make_connection().code}/", "remove/"


def person_page(_: User) -> tuple[str, str]:
    return f"/people/{make_user('leo').pk}/", "deactivate/"


def password_page(_: User) -> tuple[str, str]:
    return f"/people/{make_user('leo').pk}/", "password/"


def token_page(boss: User) -> tuple[str, str]:
    token, _ = tokens.create(boss, "nightly")
    return "/tokens/", f"{token.pk}/revoke/"


@pytest.mark.parametrize(
    "prepare",
    [job_page, draft_page, connection_page, person_page, password_page, token_page],
)
def test_page_links_to_the_question_and_does_not_post(
    administrator: Client, boss: User, prepare: Callable[[User], tuple[str, str]]
) -> None:
    page, action = prepare(boss)

    text = administrator.get(page).text
    question = administrator.get(f"{page}{action}")

    assert f"{page}{action}" not in re.findall(r'(?:action|hx-post)="([^"]+)"', text)
    assert f'href="{page}{action}"' in text
    assert question.status_code == 200
