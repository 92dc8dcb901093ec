"""The end of sessions: after SESSION_COOKIE_AGE without use, and after SESSION_DAYS in any case.
The sweep deletes what is left of them (ops/expired.py)."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponseBase

from jobsui.access import sessions
from jobsui.access.client_address import client_address
from jobsui.access.sessions import ADDRESS, STARTED, USED, USER_AGENT
from jobsui.text import counted

MAX_USER_AGENT = 300
NOTE_INTERVAL = 300.0
"""Seconds between two notes of use, each of which writes the session."""


def connect() -> None:
    user_logged_in.connect(note_start)


def note_start(request: HttpRequest, **_signal: Any) -> None:
    """A person has signed in."""
    now = time.time()
    request.session[STARTED] = now
    request.session[USED] = now
    request.session[ADDRESS] = client_address(request)
    request.session[USER_AGENT] = request.headers.get("User-Agent", "")[:MAX_USER_AGENT]


def end_old_sessions(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """A session whose time is over is deleted before it is used: the request is that of a
    stranger. What htmx reads is no use, because open pages poll."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        session = request.session
        if SESSION_KEY in session:
            now = time.time()
            started = session[STARTED]
            used = session[USED]
            is_idle = now - used > settings.SESSION_COOKIE_AGE
            is_old = now - started > settings.SESSION_DAYS * 24 * 3600
            if is_idle or is_old:
                session.flush()
            elif now - used > NOTE_INTERVAL and not _is_read_by_htmx(request):
                session[USED] = now
        return get_response(request)

    return middleware


def end_chosen(request: HttpRequest, person: User) -> None:
    """Ends the session that the form names; without a name, all but the one of the
    request."""
    session_id = request.POST.get("session", "")
    if not session_id:
        count = sessions.end_others(person, request.session.session_key)
        messages.success(request, f"Ended: {counted(count, 'session')}.")
    elif sessions.end(person, session_id):
        messages.success(request, "Session ended.")
    else:
        messages.info(request, "This session had already ended.")


def _is_read_by_htmx(request: HttpRequest) -> bool:
    return request.method == "GET" and "HX-Request" in request.headers
