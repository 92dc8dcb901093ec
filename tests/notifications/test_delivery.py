"""Messages to real receivers: what arrives, when it is tried again, and where none goes."""

import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from jobsui.environment import mail_from_url
from jobsui.notifications import channels, delivery, formats, outbox, targets
from jobsui.notifications.errors import NotDelivered, TargetRefused
from jobsui.notifications.messages import Message, message
from jobsui.notifications.models import Channel, Delivery, Kind, Notification, Target
from tests.factories import make_channel, make_connection
from tests.notifications import receivers
from tests.notifications.receivers import Received

pytestmark = pytest.mark.django_db
INSIDE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:53aa:64c:0:0:0:1",
    "2001:db8::1",
    "::127.0.0.1",
]


@pytest.fixture
def receiver(settings: Any) -> Iterator[Received]:
    settings.NOTIFY_HOSTS = ["127.0.0.1"]
    with receivers.webhook() as received:
        yield received


@pytest.fixture
def channel(receiver: Received) -> Channel:
    return make_channel(make_connection(), url=receiver.url)


def finished(channel: Channel, **facts: Any) -> int:
    """The ID of the message about a finished job."""
    (pk,) = outbox.notify(
        Kind.JOB_FINISHED,
        "event:1",
        channel.connection or make_connection(),
        subject="assets.csv",
        path="/jobs/1/",
        facts={"rows": 100, "succeeded": 93, "failed": 7} | facts,
    )
    return pk


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def test_signed_message_arrives_once_and_can_be_verified(receiver: Received) -> None:
    channel = Channel()
    secret = channels.save(
        channel,
        {
            "name": "Our system",
            "target": Target.WEBHOOK,
            "connection": make_connection(),
            "kinds": [Kind.JOB_FINISHED],
            "max_failed_percent": 5,
            "addresses": "",
        },
        receiver.url,
    )
    pk = finished(channel)

    delivery.deliver(pk)
    delivery.deliver(pk)

    ((headers, body),) = receiver.requests
    signed = f"{headers['Jobsui-Message-Id']}.{headers['Jobsui-Timestamp']}.".encode()
    digest = hmac.new(secret.encode(), signed + body, hashlib.sha256).hexdigest()
    assert headers["Jobsui-Signature"] == f"v1={digest}"
    content = json.loads(body)
    assert content["kind"] == "job_finished"
    assert content["facts"] == {"rows": 100, "succeeded": 93, "failed": 7}
    assert content["url"] == "/jobs/1/"
    assert content["text"] == (
        "Job finished, 7 % of its rows failed: assets.csv\n"
        "93 of 100 rows succeeded, 7 failed.\nConnection: Acme\n/jobs/1/"
    )


def test_failed_message_is_tried_eight_times_over_a_day(
    receiver: Received, channel: Channel
) -> None:
    receiver.status = 500
    pk = finished(channel)
    moment = start = timezone.now()

    for _ in range(20):
        delivery.deliver(pk, now=at(moment))
        moment = max(moment, Delivery.objects.get(pk=pk).next_at)

    sent = Delivery.objects.get(pk=pk)
    assert (sent.state, sent.attempts) == ("given_up", 8)
    assert sent.error == f"127.0.0.1:{receiver.port} responded with status 500."
    assert len(receiver.requests) == 8
    assert len({headers["Jobsui-Message-Id"] for headers, _ in receiver.requests}) == 1
    assert timedelta(hours=20) < sent.next_at - start < timedelta(hours=28)


def test_worker_killed_after_sending_repeats_with_the_same_id(
    receiver: Received, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_args: Any, **_fields: Any) -> None:
        raise Killed

    pk = finished(channel)
    now = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_change", killed)
        with pytest.raises(Killed):
            delivery.deliver(pk, now=at(now))

    assert outbox.due(now + timedelta(seconds=60)) == []
    later = now + delivery.ATTEMPT_TIMEOUT
    assert outbox.due(later) == [pk]
    delivery.deliver(pk, now=at(later))

    ids = [headers["Jobsui-Message-Id"] for headers, _ in receiver.requests]
    assert ids == [str(Delivery.objects.get(pk=pk).code)] * 2
    assert Delivery.objects.get(pk=pk).state == "sent"


def test_lost_worker_that_returns_does_not_change_a_later_attempt(
    channel: Channel,
) -> None:
    pk = finished(channel)
    now = timezone.now()
    lost = delivery._claimed(pk, now)
    assert lost is not None
    delivery.deliver(pk, now=at(now + delivery.ATTEMPT_TIMEOUT))

    delivery._failed(lost, "Too late.", now)

    sent = Delivery.objects.get(pk=pk)
    assert (sent.state, sent.error, sent.attempts) == ("sent", "", 2)


def test_mail_arrives_with_one_line_of_subject(settings: Any) -> None:
    with receivers.mail_server() as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=off&from=jobs@acme.example"
        settings.MAILERS, settings.DEFAULT_FROM_EMAIL = mail_from_url(url)
        settings.PUBLIC_URL = "https://jobs.acme.example"
        channel = make_channel(
            make_connection(), target=Target.MAIL, addresses="ops@acme.example"
        )
        pk = outbox.write_test(channel)
        Notification.objects.update(subject="x\r\nBcc: evil@example.com")
        delivery.deliver(pk)

    (mail,) = server.mails
    head = mail.partition("\r\n\r\n")[0]
    assert "Subject: [Jobs UI] Test message: x  Bcc: evil@example.com\r\n" in head
    assert "\r\nBcc:" not in head
    assert f"Message-ID: <{Delivery.objects.get().code}@jobsui>" in head
    assert f"https://jobs.acme.example/notifications/{channel.pk}/" in mail
    assert Delivery.objects.get().state == "sent"


def test_message_says_that_mail_is_off() -> None:
    channel = make_channel(None, target=Target.MAIL, addresses="ops@acme.example")

    delivery.deliver(outbox.write_test(channel))

    assert Delivery.objects.get().error.startswith("Mail is off.")


@pytest.mark.parametrize("text", INSIDE)
def test_nothing_is_sent_inside(
    text: str, receiver: Received, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFY_HOSTS = []
    connections: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", connections.append)
    # One of its addresses is public.
    found = [(0, 0, 0, "", (each, receiver.port)) for each in ("203.0.114.1", text)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)

    with pytest.raises(TargetRefused):
        targets.post(targets.parse("https://hooks.example.com/"), b"{}", {})

    assert not targets.is_public(ipaddress.ip_address(text))
    assert (connections, receiver.requests) == ([], [])


def test_name_that_leads_inside_a_moment_later_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["203.0.114.1", "127.0.0.1"])
    opened: list[Any] = []

    def resolve(_host: str, port: int, **_options: Any) -> list[Any]:
        return [(0, 0, 0, "", (next(answers), port))]

    def connect(address: Any, **_options: Any) -> None:
        opened.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(NotDelivered, match="gave no response"):
        targets.post(targets.parse("https://hooks.example.com/"), b"{}", {})

    assert opened == [("203.0.114.1", 443)]
    assert next(answers) == "127.0.0.1"


def test_redirect_is_not_followed(receiver: Received, channel: Channel) -> None:
    receiver.status = 307
    receiver.location = receiver.url
    pk = finished(channel)

    delivery.deliver(pk)

    assert len(receiver.requests) == 1
    assert "redirects (status 307)" in Delivery.objects.get(pk=pk).error


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://evil.test\\@hooks.example.com/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com/a b",
        "https://[::1]/",
        "https://",
        "hooks.example.com",
    ],
)
def test_url_that_is_not_plain_https_is_refused(text: str) -> None:
    with pytest.raises(TargetRefused) as refusal:
        targets.parse(text)

    assert "password" not in str(refusal.value)


def test_host_that_does_not_resolve_is_tried_again(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_args: Any, **_options: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    pk = finished(channel)

    delivery.deliver(pk)

    sent = Delivery.objects.get(pk=pk)
    assert (sent.state, sent.error) == ("waiting", "The host 127.0.0.1 is not known.")


def test_names_cannot_format_a_message() -> None:
    name = "<!channel> [x](https://evil.test) @all *b* & co.csv"
    notification = Notification(kind=Kind.TEST, subject=name, path="/")
    text = message(notification)

    slack = formats.slack(text)["text"]
    card = formats.teams(text)["attachments"][0]["content"]

    assert "<" not in slack
    assert "](" not in slack
    assert "@all" not in slack
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert "actions" not in card
    open_page = formats.teams(Message("a", (), "https://jobs.acme.example/"))
    assert open_page["attachments"][0]["content"]["actions"][0]["url"] == (
        "https://jobs.acme.example/"
    )


def test_url_of_a_webhook_is_not_stored_as_text(channel: Channel) -> None:
    delivery.deliver(finished(channel))

    with database.cursor() as cursor:
        for model in (Channel, Notification, Delivery):
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            assert "secret-of-hook" not in str(cursor.fetchall())
    assert channel.secret("url").endswith("/hook/secret-of-hook")


def test_url_of_the_mail_server_is_read() -> None:
    mailers, sender = mail_from_url(
        "smtps://ops%40acme.example:p%3Aw@mail.acme.example"
    )
    options: Any = mailers["default"]["OPTIONS"]

    assert sender == "ops@acme.example"
    assert (options["host"], options["port"]) == ("mail.acme.example", 465)
    assert (options["username"], options["password"]) == ("ops@acme.example", "p:w")
    assert (options["use_ssl"], options["use_tls"]) == (True, False)
    assert mail_from_url("")[1] == ""
