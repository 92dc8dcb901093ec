"""The pages of channels and their messages."""

from typing import Any

import pytest
from django.test import Client

from jobsui.access import roles
from jobsui.access.models import Role
from jobsui.audit.models import Entry
from jobsui.notifications.models import Channel, Delivery
from tests.conftest import TaskQueue
from tests.factories import make_channel, make_connection, make_user
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db
VALUES: dict[str, Any] = {
    "name": "Our system",
    "target": "webhook",
    "url": "https://hooks.example.com/secret-of-hook",
    "kinds": ["job_failed"],
    "max_failed_percent": "5",
}


def test_key_is_shown_once_and_the_url_never(administrator: Client) -> None:
    shown = administrator.post("/notifications/add/", VALUES)
    channel = Channel.objects.get()
    secret = channel.secret("secret")
    kept = administrator.post(
        f"/notifications/{channel.pk}/", VALUES | {"url": "", "name": "Renamed"}
    )
    pages = [
        administrator.get(path).text
        for path in ("/notifications/", f"/notifications/{channel.pk}/", "/audit/")
    ]

    assert secret in shown.text
    assert kept.status_code == 302
    channel = Channel.objects.get()
    assert (channel.name, channel.host) == ("Renamed", "hooks.example.com")
    assert channel.secret("url") == VALUES["url"]
    assert not any(secret in page or "secret-of-hook" in page for page in pages)
    actions = list(Entry.objects.order_by("number").values_list("action", flat=True))
    assert actions[-2:] == ["channel_added", "channel_changed"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"url": ""}, "Enter the URL."),
        ({"url": "http://hooks.example.com/"}, "starts with https://."),
        ({"target": "mail"}, "Enter at least one address."),
        ({"target": "mail", "addresses": "a@b.example,\nBcc: x"}, "Enter a valid"),
        ({"kinds": ["test"]}, "is not one of the available choices"),
    ],
)
def test_channel_that_cannot_work_is_refused(
    administrator: Client, changed: dict[str, Any], error: str
) -> None:
    page = administrator.post("/notifications/add/", VALUES | changed)

    assert error in page.text
    assert Channel.objects.count() == 0


def test_manager_of_a_connection_has_only_its_channels() -> None:
    own = make_connection()
    other = make_connection(name="Other", host="other.zendesk.com")
    manager = make_user("ana", role=Role.OPERATOR)
    roles.assign(manager, Role.ADMINISTRATOR, connection=own)
    mine = make_channel(own, name="mine")
    foreign = make_channel(other, name="foreign")
    general = make_channel(None, name="general")
    client = signed_in(manager)

    listed = client.get("/notifications/").text
    opened = [
        client.get(f"/notifications/{each.pk}/").status_code
        for each in (mine, foreign, general)
    ]
    for_all = client.post("/notifications/add/", VALUES)
    for_other = client.post(
        "/notifications/add/", VALUES | {"connection": str(other.code)}
    )

    assert [name in listed for name in ("mine", "foreign", "general")] == [
        True,
        False,
        False,
    ]
    assert opened == [200, 403, 404]
    assert (for_all.status_code, for_other.status_code) == (200, 200)
    assert Channel.objects.count() == 3


def test_test_message_and_its_failure_are_shown(
    administrator: Client,
    task_queue: TaskQueue,
    django_capture_on_commit_callbacks: Any,
) -> None:
    channel = make_channel(None, url="https://hooks.invalid/")
    path = f"/notifications/{channel.pk}/"

    with django_capture_on_commit_callbacks(execute=True):
        administrator.post(f"{path}test/")
    task_queue.run_all()

    error = "The host hooks.invalid is not known."
    assert Delivery.objects.get().error == error
    for page in (path, "/notifications/", "/notifications/messages/?state=waiting"):
        assert error in administrator.get(page).text
    sent = administrator.get("/notifications/messages/?state=sent").text
    assert "No message matches" in sent
