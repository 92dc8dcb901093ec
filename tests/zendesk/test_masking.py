"""Credentials that a response repeats are hidden."""

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from jobsui.zendesk.client import Client
from jobsui.zendesk.masking import masked, masked_headers, secrets_of
from jobsui.zendesk.transport import Received, Request

TOKEN = 'to/ke+n "x"\\<é>&=%.~secret'
BASIC = "Basic " + base64.b64encode(f"a@b.example/token:{TOKEN}".encode()).decode()
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "JSON": lambda text: json.dumps({"error": text}),
    "JSON of Unicode": lambda text: json.dumps({"error": text}, ensure_ascii=False),
    "JSON with slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON for HTML": lambda text: (
        json.dumps(text)
        .replace("<", "\\u003C")
        .replace("&", "\\u0026")
        .replace("=", "\\u003d")
    ),
    "URL": lambda text: quote(text, safe=""),
    "lower-case URL": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "form": quote_plus,
    "HTML": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a pair": lambda text: base64.b64encode(
        f"user:{text}!".encode()
    ).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(
        f"x{text}xy".encode()
    ).decode(),
}


def readable(text: bytes, form: str) -> bool:
    """Whether half of the secret can still be read."""
    half = len(TOKEN) // 2
    parts = (TOKEN[:half], TOKEN[half:])
    return any(FORMS[form](part).strip('"=').encode() in text for part in parts)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", BASIC])
def test_secret_is_hidden_in_each_form(authorization: str, form: str) -> None:
    body = f"before {FORMS[form](TOKEN)} behind".encode()

    hidden = masked(body, secrets_of(authorization))

    assert not readable(hidden, form)
    assert hidden.startswith(b"before ")
    assert hidden.endswith(b" behind")
    assert b"[hidden]" in hidden


def test_header_of_basic_authentication_is_hidden() -> None:
    assert masked(f"got {BASIC}!".encode(), secrets_of(BASIC)) == b"got Basic [hidden]!"


@given(
    before=st.binary(max_size=8),
    secret=st.text(
        st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40
    ),
    behind=st.binary(max_size=8),
)
def test_base64_around_a_secret_hides_it(
    before: bytes, secret: str, behind: bytes
) -> None:
    text = base64.b64encode(before + secret.encode() + behind)

    hidden = masked(text, secrets_of(f"Bearer {secret}"))

    assert b"[hidden]" in hidden
    assert len(hidden.replace(b"[hidden]", b"")) <= len(text) - len(secret) * 4 // 3 + 2


def test_other_text_stays_as_it_is() -> None:
    headers = CaseInsensitiveDict({"X-A": "a"})

    assert masked(b'{"a": "secre"}', secrets_of(f"Bearer {TOKEN}")) == b'{"a": "secre"}'
    assert masked_headers(headers, secrets_of(f"Bearer {TOKEN}")) is headers
    assert masked(b"short", secrets_of("Bearer short")) == b"short"
    assert masked(b"", secrets_of("")) == b""


def test_client_hides_what_a_response_repeats() -> None:
    class Echo:
        def exchange(self, request: Request, **_: Any) -> Received:
            sent = request.headers["Authorization"]
            headers = CaseInsensitiveDict({"X-Request-Id": sent, sent: "x"})
            return Received(200, headers, json.dumps({"name": sent}).encode())

    client = Client("https://a.example", lambda: "Bearer abcdefgh", transport=Echo())

    response = client.request("GET", "/")

    assert response.json() == {"name": "Bearer [hidden]"}
    assert dict(response.headers) == {
        "X-Request-Id": "Bearer [hidden]",
        "Bearer [hidden]": "x",
    }
    assert response.headers["x-request-id"] == "Bearer [hidden]"
