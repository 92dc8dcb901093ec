"""Adds sign-ins, failed ones too, and changes of the own password to the audit log."""

from collections.abc import Mapping
from typing import Any

from allauth.account.signals import password_changed
from django.contrib.auth.models import User
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)

from jobsui.access import subjects
from jobsui.audit import log
from jobsui.audit.log import Subject
from jobsui.audit.models import Action

MAX_NAME = 150


def connect() -> None:
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(_failed)
    password_changed.connect(_password_changed)


def _signed_in(user: User, **_others: Any) -> None:
    _record(Action.SIGNED_IN, user)


def _signed_out(user: User | None, **_others: Any) -> None:
    if user is not None:
        _record(Action.SIGNED_OUT, user)


def _password_changed(user: User, **_others: Any) -> None:
    _record(Action.PASSWORD_CHANGED, user)


def _failed(credentials: Mapping[str, Any], **_others: Any) -> None:
    # What was typed may also be a password, in the wrong field: only names that exist are kept.
    typed = str(credentials.get("username", ""))[:MAX_NAME]
    known = User.objects.filter(username__iexact=typed).first()
    subject = subjects.of_person(known) if known else Subject("person", "", "unknown")
    log.record(Action.SIGN_IN_FAILED, subject)


def _record(action: Action, user: User) -> None:
    log.record(action, subjects.of_person(user), person=user.get_username())
