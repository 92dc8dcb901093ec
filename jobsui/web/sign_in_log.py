"""Adds sign-ins, failed ones too, changes of the own password, and second factors to the
audit log."""

from collections.abc import Mapping
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import password_changed
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.models import User
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from jobsui.access import subjects
from jobsui.audit import log
from jobsui.audit.log import Subject
from jobsui.audit.models import Action

MAX_NAME = 150
SECOND_FACTOR = "second factor"
FACTORS = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.WEBAUTHN: "passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery code",
}


def connect() -> None:
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(_failed)
    password_changed.connect(_password_changed)
    authentication_failed.connect(_code_failed)
    post_save.connect(_factor_saved, Authenticator)
    post_delete.connect(_factor_deleted, Authenticator)


def _signed_in(request: HttpRequest, user: User, **_others: Any) -> None:
    _record(Action.SIGNED_IN, user, after={"method": _method(request, user)})


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


def _code_failed(user: User, **_others: Any) -> None:
    """Somebody who knows the password has entered a wrong code."""
    subject = subjects.of_person(user)
    log.record(Action.SIGN_IN_FAILED, subject, after={"method": SECOND_FACTOR})


def _factor_saved(instance: Authenticator, created: bool, **_others: Any) -> None:
    if not created:
        return
    subject = subjects.of_person(instance.user)
    if instance.type == Authenticator.Type.RECOVERY_CODES:
        log.record(Action.RECOVERY_CODES_CREATED, subject)
    else:
        log.record(Action.FACTOR_ADDED, subject, after=_described(instance))


def _factor_deleted(instance: Authenticator, **_others: Any) -> None:
    # Recovery codes go with the last factor, and before new ones are created.
    if instance.type != Authenticator.Type.RECOVERY_CODES:
        subject = subjects.of_person(instance.user)
        log.record(Action.FACTOR_REMOVED, subject, before=_described(instance))


def _described(factor: Authenticator) -> dict[str, str]:
    if factor.type == Authenticator.Type.WEBAUTHN:
        return {"kind": "passkey", "name": factor.data["name"]}
    return {"kind": "authenticator app"}


def _method(request: HttpRequest, user: User) -> str:
    """Such as "password and authenticator app"; "" if the product was not asked."""
    names = [
        FACTORS[record["type"]] if record["method"] == "mfa" else record["method"]
        for record in get_authentication_records(request, user)
    ]
    return " and ".join(names)


def _record(action: Action, user: User, after: Mapping[str, Any] | None = None) -> None:
    person = user.get_username()
    log.record(action, subjects.of_person(user), person=person, after=after)
