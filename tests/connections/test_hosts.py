import pytest
import requests
from django.conf import LazySettings
from urllib3.util import parse_url

from jobsui.connections import hosts
from jobsui.connections.errors import HostRefused


@pytest.fixture(autouse=True)
def _listed(settings: LazySettings) -> None:
    settings.API_HOSTS = [
        "*.zendesk.com",
        "127.0.0.1",
        "localhost:8010",
        "sandbox.example",
        "Gate.Example:8443",
    ]


@pytest.mark.parametrize(
    ("typed", "host", "url"),
    [
        ("acme", "acme.zendesk.com", "https://acme.zendesk.com"),
        (" ACME ", "acme.zendesk.com", "https://acme.zendesk.com"),
        ("acme-1", "acme-1.zendesk.com", "https://acme-1.zendesk.com"),
        ("acme.zendesk.com", "acme.zendesk.com", "https://acme.zendesk.com"),
        ("a" * 63, "a" * 63 + ".zendesk.com", f"https://{'a' * 63}.zendesk.com"),
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1"),
        ("127.0.0.1:21200", "127.0.0.1:21200", "http://127.0.0.1:21200"),
        ("localhost:8010", "localhost:8010", "http://localhost:8010"),
        ("sandbox.example", "sandbox.example", "https://sandbox.example"),
        ("sandbox.example:444", "sandbox.example:444", "https://sandbox.example:444"),
        ("gate.example:8443", "gate.example:8443", "https://gate.example:8443"),
    ],
)
def test_host_is_stored_and_used(typed: str, host: str, url: str) -> None:
    assert hosts.check_host(typed) == host
    assert hosts.base_url(host) == url
    assert requests.Request("GET", url + "/api/v2/x").prepare().url == url + "/api/v2/x"


EVIL = [
    "",
    "",
    "-acme",
    "acme-",
    "a" * 64,
    "ac me",
    "acme\nevil",
    "acme\x00",
    "acme.evil.test",
    "acme.zendesk.com.evil.test",
    "evil.test/acme.zendesk.com",
    "evil.test#.zendesk.com",
    "evil.test?.zendesk.com",
    "evil.test\\@acme.zendesk.com",
    "a@b",
    "user:pw@acme.zendesk.com",
    "https://acme.zendesk.com",
    "//acme.zendesk.com",
    "acme.zendesk.com/",
    ".zendesk.com",
    "a.b.zendesk.com",
    "-.zendesk.com",
    "zendesk.com",
    "evilzendesk.com",
    "acme.zendesk.com:8443",
    "acme.zendesk.com:",
    "acme.zendesk.com.",
    "acme..zendesk.com",
    "acme%2ezendesk.com",
    "acme\uff0ezendesk\uff0ecom",
    "\u0430cme",
    "127.1",
    "0x7f.0.0.1",
    "2130706433.",
    "0177.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "127.0.0.1:80:90",
    "127.0.0.1@evil.test",
    "127.0.0.2",
    "10.0.0.1",
    "169.254.169.254",
    "[::1]",
    "::1",
    "[::ffff:127.0.0.1]",
    "localhost:8011",
    "gate.example",
    "gate.example:443",
    "sandbox.example.evil.test",
    "xsandbox.example",
    "*.zendesk.com",
    "*",
]


@pytest.mark.parametrize("typed", EVIL)
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(HostRefused):
        hosts.check_host(typed)
    with pytest.raises(HostRefused):
        hosts.base_url(typed)


@pytest.mark.parametrize(
    "stored", ["acme.zendesk.com\n", "acme", "ACME.zendesk.com", "localhost"]
)
def test_only_what_check_host_gives_is_used(stored: str) -> None:
    with pytest.raises(HostRefused):
        hosts.base_url(stored)


def test_host_that_is_no_longer_listed_is_refused(settings: LazySettings) -> None:
    host = hosts.check_host("sandbox.example")
    settings.API_HOSTS = ["*.zendesk.com"]

    with pytest.raises(
        HostRefused, match=r"sandbox\.example is not listed in JOBSUI_API_HOSTS"
    ):
        hosts.base_url(host)


def test_wildcard_is_for_one_label_only() -> None:
    assert parse_url(hosts.base_url("acme.zendesk.com")).host == "acme.zendesk.com"
    assert hosts.extra_hosts() == [
        "127.0.0.1",
        "localhost:8010",
        "sandbox.example",
        "Gate.Example:8443",
    ]


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("10.0.0.1", False),
        ("acme.zendesk.com", False),
    ],
)
def test_plain_http_is_for_this_machine_only(host: str, answer: bool) -> None:
    assert hosts.is_loopback(host) is answer
