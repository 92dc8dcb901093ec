import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from requests.structures import CaseInsensitiveDict

from jobsui.zendesk import transport as transport_module
from jobsui.zendesk.client import Client, raise_for, read_error, retry_after
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    TooManyJobs,
    Unauthorized,
    Unconfirmed,
    ZendeskError,
)
from jobsui.zendesk.payloads import Response
from jobsui.zendesk.transport import HttpTransport
from tests.timing import FakeClock
from tests.zendesk.raw_server import (
    Behavior,
    RawServer,
    drips,
    hangs_up,
    http_response,
    resets,
    responds,
    serving,
)

SECRET = "canary-7f2c"


QUICK = HttpTransport(connect_timeout=0.3)


def made(server: RawServer, transport: HttpTransport | None = None) -> Client:
    return Client(server.url, lambda: f"Bearer {SECRET}", transport=transport)


def failure(act: Callable[[], object]) -> ZendeskError:
    with pytest.raises(ZendeskError) as caught:
        act()
    return caught.value


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_response_is_read_to_its_end() -> None:
    with serving(responds(b'{"a": 1}', "201 Created", "X-Rate-Limit: 700")) as server:
        got = made(server).request(
            "POST", "/api/v2/things", params={"q": "a b"}, body=b"{}"
        )

    assert got.status == 201
    assert got.body == b'{"a": 1}'
    assert got.headers["x-rate-limit"] == "700"
    assert 0 < got.elapsed < 5
    head = server.received[0].decode()
    assert head.startswith("POST /api/v2/things?q=a+b HTTP/1.1")
    assert f"Authorization: Bearer {SECRET}" in head
    assert "Content-Type: application/json" in head


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        (lambda: format_datetime(datetime.now(UTC) - timedelta(hours=1)), 3600),
        (lambda: "soon", 0),
        (lambda: "", 0),
    ],
)
def test_a_client_knows_by_how_much_our_clock_is_ahead(
    date: Callable[[], str], ahead: float
) -> None:
    with serving(responds(b"", "200 OK", f"Date: {date()}")) as server:
        client = made(server)
        client.request("GET", "/a")

    assert client.clock_ahead.total_seconds() == pytest.approx(ahead, abs=5)


def test_the_account_s_time_goes_on_after_its_last_response() -> None:
    clock = FakeClock()
    with serving(
        responds(b"", "200 OK", "Date: Thu, 01 Jan 2026 12:00:00 GMT")
    ) as server:
        client = Client(server.url, None, clock=clock)
        before = client.account_time
        client.request("GET", "/a")
    clock.sleep(90)

    assert before is None
    assert client.account_time == datetime(2026, 1, 1, 12, 1, 30, tzinfo=UTC)


def test_call_decodes_json_and_takes_empty_as_none() -> None:
    with serving(
        responds(b'{"name": "\xc3\xa9"}'), responds(b"", "204 No Content")
    ) as server:
        assert made(server).call("GET", "/a") == {"name": "é"}
        assert made(server).call("DELETE", "/a") is None


@pytest.mark.parametrize(
    ("behavior", "code"),
    [
        (resets, "reset"),
        (hangs_up, "reset"),
        (responds(b"{", length=50), "timeout"),
        (drips(b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n"), "timeout"),
        (drips(http_response(b"", length=100_000), b"x"), "timeout"),
        (
            drips(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
            ),
            "timeout",
        ),
        (
            drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
            "timeout",
        ),
        (drips(b"", b"H"), "timeout"),
        (lambda peer: peer.sendall(http_response(b"{", length=50)), "reset"),
        (lambda peer: peer.sendall(b"220 mail.example ESMTP\r\n"), "reset"),
        (responds(b"no gzip", "200 OK", "Content-Encoding: gzip"), "body"),
        (responds(b"x" * 2_000_000), "body"),
        (
            responds(
                gzip.compress(b"x" * 2_000_000), "200 OK", "Content-Encoding: gzip"
            ),
            "body",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_broken_response_leaves_the_request_unconfirmed(
    behavior: Behavior, code: str, method: str
) -> None:
    with serving(behavior) as server:
        speaker = made(server, HttpTransport(max_body_bytes=1_000_000))
        begun = time.monotonic()
        error = failure(
            lambda: speaker.request(method, "/api/v2/x", body=b"{}", deadline=0.25)
        )

    assert type(error) is Unconfirmed
    assert error.code == code
    assert time.monotonic() - begun < 1.5
    assert SECRET not in f"{error!r} {error} {vars(error)}"
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_deadline_also_bounds_sending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        speaker = Client(f"http://127.0.0.1:{deaf.getsockname()[1]}", None)
        begun = time.monotonic()
        error = failure(
            lambda: speaker.request("POST", "/x", body=b"x" * 30_000_000, deadline=0.25)
        )

    assert type(error) is Unconfirmed
    assert error.code == "timeout"
    assert time.monotonic() - begun < 1.5


def test_refused_connection_is_not_sent() -> None:
    error = failure(
        lambda: Client(f"http://127.0.0.1:{closed_port()}", None).request(
            "POST", "/x", body=b"{}"
        )
    )

    assert type(error) is NotSent
    assert error.code == "refused"


@pytest.mark.parametrize(
    ("errno", "code"),
    [
        (socket.EAI_NONAME, "no_such_host"),
        (socket.EAI_NODATA, "no_such_host"),
        (socket.EAI_AGAIN, "dns"),
        (socket.EAI_FAIL, "dns"),
    ],
)
def test_host_that_dns_does_not_resolve_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, errno: int, code: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "from the resolver")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    client = Client("https://acme.zendesk.com", None)

    error = failure(lambda: client.request("POST", "/x", body=b"{}"))

    assert type(error) is NotSent
    assert error.code == code
    assert error.host == "acme.zendesk.com"


def test_host_that_does_not_accept_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        error = failure(
            lambda: Client(
                f"http://127.0.0.1:{address[1]}", None, transport=QUICK
            ).request("POST", "/x", body=b"")
        )
        for each in waiting:
            each.close()

    assert type(error) is NotSent
    assert error.code == "connect_timeout"


@pytest.mark.parametrize("behavior", [responds(b"{}"), resets, hangs_up])
def test_failed_handshake_is_not_sent(behavior: Behavior) -> None:
    with serving(behavior) as server:
        secure = Client(
            server.url.replace("http:", "https:"),
            lambda: f"Bearer {SECRET}",
            transport=QUICK,
        )
        error = failure(lambda: secure.request("POST", "/x", body=b"{}"))

    assert type(error) is NotSent
    assert SECRET.encode() not in b"".join(server.received)


def test_handshake_that_never_ends_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        secure = Client(
            f"https://127.0.0.1:{silent.getsockname()[1]}", None, transport=QUICK
        )
        error = failure(lambda: secure.request("POST", "/x", body=b"{}"))

    assert type(error) is NotSent
    assert error.code == "timeout"


def test_untrusted_certificate_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def distrust(*_args: object, **_options: object) -> None:
        raise ssl.SSLCertVerificationError("self-signed certificate")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", distrust)
    with serving(hangs_up) as server:
        error = failure(
            lambda: Client(server.url.replace("http:", "https:"), None).request(
                "POST", "/x", body=b"{}"
            )
        )

    assert type(error) is NotSent
    assert error.code == "tls"
    assert "certificate" in error.message


@pytest.mark.parametrize("token", ["line\nbreak", "schlüssel-€"])
def test_token_that_no_header_can_hold_is_not_sent(token: str) -> None:
    tokens = ["good", token]
    with serving(responds(b"{}")) as server:
        client = Client(server.url, lambda: f"Bearer {tokens.pop(0)}")
        client.request("POST", "/x")  # An earlier request does not count as this one.
        error = failure(lambda: client.request("POST", "/x"))

    assert type(error) is NotSent
    assert token not in f"{error!r}{error}"
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_unconfirmed_token_request_is_not_sent() -> None:
    def sign() -> str:
        raise Unconfirmed("The token endpoint broke.", status=502)

    error = failure(lambda: Client("http://127.0.0.1:1", sign).request("POST", "/x"))

    assert type(error) is NotSent
    assert error.status == 502
    assert error.message == "The token endpoint broke."


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
def test_redirect_is_never_followed(status: str) -> None:
    with (
        serving(responds(b"{}")) as elsewhere,
        serving(responds(b"", status, f"Location: {elsewhere.url}/")) as server,
    ):
        error = failure(lambda: made(server).call("POST", "/api/v2/x", body=b"{}"))

    assert type(error) is Unconfirmed
    assert error.status == int(status[:3])
    assert elsewhere.received == []


def test_proxies_and_netrc_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(responds(b"{}")) as proxy, serving(responds(b"{}")) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        (tmp_path / "netrc").write_text(
            "machine 127.0.0.1 login other password other\n"
        )
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        made(server).request("GET", "/x")

    assert proxy.received == []
    assert f"Authorization: Bearer {SECRET}".encode() in server.received[0]


def test_nothing_is_sent_twice_by_itself() -> None:
    with serving(resets) as server:
        failure(lambda: made(server).request("POST", "/x", body=b"{}"))
        time.sleep(0.1)

    assert len(server.received) == 1


def test_connection_is_kept() -> None:
    with serving(responds(b"{}"), hangs_up) as server:
        speaker = made(server)
        assert [speaker.request("POST", "/x", body=b"{}").status for _ in range(5)] == [
            200
        ] * 5


def test_write_does_not_trust_an_idle_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers_once(peer: socket.socket) -> None:
        peer.sendall(http_response(b"{}"))
        peer.recv(65536)
        resets(peer)

    with serving(answers_once, responds(b"{}")) as server:
        speaker = made(server)
        speaker.request("GET", "/x")
        monkeypatch.setattr(transport_module, "MAX_IDLE_SECONDS", 0.0)
        got = speaker.request("POST", "/x", body=b"{}")

    assert got.status == 200
    assert len(server.received) == 2


def test_client_works_again_after_a_failure() -> None:
    with serving(resets, responds(b"{}")) as server:
        speaker = made(server)
        failure(lambda: speaker.request("GET", "/x"))

        assert speaker.request("GET", "/x").status == 200


def test_threads_share_a_client() -> None:
    bodies: list[bytes] = []

    with serving(responds(b"{}")) as server:
        speaker = made(server)
        threads = [
            threading.Thread(
                target=lambda: bodies.extend(
                    speaker.request("GET", "/x").body for _ in range(20)
                )
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    assert bodies == [b"{}"] * 160
    assert len(server.received) == 8


def response(status: int, body: object, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CaseInsensitiveDict(named), content, 0.1)


@pytest.mark.parametrize(
    ("answered", "kind", "code", "message"),
    [
        (
            response(401, {"error": "Couldn't authenticate you"}),
            Unauthorized,
            "Couldn't authenticate you",
            "Couldn't authenticate you",
        ),
        (
            response(
                401, {"error": "invalid_token", "error_description": "It is expired."}
            ),
            Unauthorized,
            "invalid_token",
            "It is expired.",
        ),
        (
            response(
                403,
                {"error": {"title": "Forbidden", "message": "You do not have access."}},
            ),
            Forbidden,
            "Forbidden",
            "You do not have access.",
        ),
        (
            response(404, {"error": "RecordNotFound", "description": "Not found"}),
            NotFound,
            "RecordNotFound",
            "Not found",
        ),
        (
            response(404, b"<html>no page</html>"),
            NotFound,
            "",
            "Zendesk refused POST /x with 404.",
        ),
        (
            response(400, {"error": {"title": "Invalid attribute", "message": "no"}}),
            Refused,
            "Invalid attribute",
            "no",
        ),
        (
            response(
                400,
                {
                    "errors": [
                        {"code": "InvalidCursor", "title": "bad", "detail": "worse"}
                    ]
                },
            ),
            Refused,
            "InvalidCursor",
            "worse",
        ),
        (response(400, {"errors": ["so much", "more"]}), Refused, "", "so much"),
        (response(400, b"[1]"), Refused, "", "[1]"),
        (response(409, b"Conflict"), Refused, "", "Conflict"),
        (
            response(
                422,
                {
                    "error": "RecordInvalid",
                    "description": "Record validation errors",
                    "details": {
                        "base": [{"description": "Name taken"}],
                        "size": [{"description": "is big"}],
                    },
                },
            ),
            Refused,
            "RecordInvalid",
            "Record validation errors: Name taken; size: is big",
        ),
        (
            response(429, b"Number of allowed API requests per minute exceeded"),
            RateLimited,
            "",
            "Number of allowed API requests per minute exceeded",
        ),
        (
            response(429, {"error": "TooManyJobs", "description": "Too many"}),
            TooManyJobs,
            "TooManyJobs",
            "Too many",
        ),
        (
            response(422, {"error": "TooManyJobs", "description": "Too many"}),
            TooManyJobs,
            "TooManyJobs",
            "Too many",
        ),
        (
            response(500, b"<h1>Oops</h1>"),
            Unconfirmed,
            "",
            "Zendesk responded to POST /x with 500.",
        ),
        (
            response(503, b"Database collision"),
            Unconfirmed,
            "",
            "Zendesk responded to POST /x with 503: Database collision",
        ),
        (response(302, b""), Unconfirmed, "", "Zendesk responded to POST /x with 302."),
        (response(400, b"[" * 200_000), Refused, "", "[" * 200),
    ],
)
def test_response_becomes_the_error_it_stands_for(
    answered: Response, kind: type[ZendeskError], code: str, message: str
) -> None:
    error = failure(lambda: raise_for(answered, what="POST /x"))

    assert type(error) is kind
    assert error.code == code
    assert error.message == message
    assert error.response is answered


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "x" * 10_000}},
        {"error": "y" * 10_000},
        {"description": "z" * 10_000},
        {"errors": [{"detail": "x" * 10_000}]},
        {"error": "A", "details": {"f": [{"description": "d" * 10_000}]}},
        "x" * 10_000,
    ],
)
def test_error_keeps_little_of_a_long_body(body: object) -> None:
    code, message, details = read_error(response(422, body))

    assert max(len(code), len(message), len(details)) <= 200


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("0", 0.0),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("-3", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
        ("86400", 86_400.0),
        ("999999", 86_400.0),
        ("9" * 400, 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)
def test_retry_after_is_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(response(429, b"", Retry_After=value)) == seconds


def test_retry_after_date_is_measured_by_the_clock_of_zendesk() -> None:
    wait = retry_after(
        response(
            503,
            b"",
            Date="Thu, 01 Jan 2026 12:00:00 GMT",
            Retry_After="Thu, 01 Jan 2026 12:01:30 GMT",
        )
    )

    assert wait == 90


def test_retry_after_may_be_a_date() -> None:
    wait = retry_after(
        response(
            503,
            b"",
            Retry_After=format_datetime(
                datetime.now(UTC) + timedelta(seconds=90), usegmt=True
            ),
        )
    )

    assert wait is not None
    assert 87 < wait <= 90


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b'{"a": ', b"\xff\xfe", b"[" * 200_000]
)
def test_success_without_json_leaves_the_request_unconfirmed(body: bytes) -> None:
    with serving(responds(body)) as server:
        error = failure(lambda: made(server).call("POST", "/x", json={}))

    assert type(error) is Unconfirmed
    assert error.status == 200
    assert len(error.message) < 200
