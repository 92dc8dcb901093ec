"""Posts to webhooks, and never to an address inside.

The host is resolved once, all its addresses are checked, and the socket is opened to a checked
one: a name that leads elsewhere a moment later changes nothing. TLS still verifies the name.
Proxies and .netrc of the environment are not used, redirects are not followed, and of the
response only its status is read."""

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from jobsui.notifications.errors import NotDelivered, TargetRefused

CONNECT_SECONDS = 5.0
MAX_SECONDS = 15.0
"""From the connection to the status of the response."""
URL = re.compile(
    r"(https?)://"
    r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
    r"(?::([1-9][0-9]{0,4}))?"
    r"(/[!-~]*)?"
)
MAX_PORT = 65535
TRANSLATED = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]
"""NAT64, 6to4 and Teredo: they lead to an IPv4 address, which may be inside."""

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Url:
    is_https: bool
    name: str
    port: int
    path: str

    @property
    def host(self) -> str:
        """Without the usual port."""
        usual = 443 if self.is_https else 80
        return self.name if self.port == usual else f"{self.name}:{self.port}"

    @property
    def is_listed(self) -> bool:
        """The server's administrator allows it wherever it leads."""
        return not {self.name, self.host}.isdisjoint(settings.NOTIFY_HOSTS)


def parse(text: str) -> Url:
    """Raises TargetRefused for what is not an https address. Plain http is for hosts that
    JOBSUI_NOTIFY_HOSTS lists."""
    scheme, separator, rest = text.strip().partition("://")
    name, slash, path = rest.partition("/")
    lower = f"{scheme}{separator}{name}".lower()
    parts = URL.fullmatch(f"{lower}{slash}{path}")
    if parts is None:
        raise TargetRefused(
            "Enter the whole address of the webhook, such as "
            "https://hooks.example.com/services/T0/B0. It cannot have a user name."
        )
    is_https = parts[1] == "https"
    port = int(parts[3] or (443 if is_https else 80))
    url = Url(is_https, parts[2], port, parts[4] or "/")
    if port > MAX_PORT:
        raise TargetRefused(f"{port} is not a port.")
    if not is_https and not url.is_listed:
        raise TargetRefused("The address of a webhook starts with https://.")
    return url


def post(url: Url, body: bytes, headers: Mapping[str, str]) -> None:
    """Send once. Raises TargetRefused before anything was sent, or NotDelivered."""
    address = _checked_address(url)
    try:
        status = _exchange(url, address, body, headers)
    except ssl.SSLCertVerificationError:
        raise NotDelivered(f"The certificate of {url.host} is not valid.") from None
    except (OSError, http.client.HTTPException) as error:
        kind = type(error).__name__
        raise NotDelivered(f"{url.host} gave no response ({kind}).") from None
    if 300 <= status < 400:
        raise NotDelivered(
            f"{url.host} redirects (status {status}). Enter the address it leads to."
        )
    if not 200 <= status < 300:
        raise NotDelivered(f"{url.host} responded with status {status}.")


def is_public(address: Address) -> bool:
    """Python calls some addresses global that are not, or that lead to others."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _checked_address(url: Url) -> str:
    try:
        found = socket.getaddrinfo(url.name, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotDelivered(f"The host {url.name} is not known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not url.is_listed:
        for each in addresses:
            # Without the zone of a link-local address.
            if not is_public(ipaddress.ip_address(each.partition("%")[0])):
                raise TargetRefused(
                    f"{url.host} leads to an internal address. Hosts inside must be listed in "
                    "JOBSUI_NOTIFY_HOSTS on this server."
                )
    return addresses[0]


def _exchange(url: Url, address: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the response."""
    with _connected(url, address) as opened:
        # It ends an exchange whose other side sends a byte now and then.
        timer = threading.Timer(MAX_SECONDS, _shut, (opened,))
        timer.daemon = True
        timer.start()
        try:
            if isinstance(opened, ssl.SSLSocket):
                opened.do_handshake()
            connection = http.client.HTTPConnection(url.host, url.port)
            connection.sock = opened
            sent = {"Host": url.host, "Connection": "close", **headers}
            connection.request("POST", url.path, body, sent)
            return connection.getresponse().status
        finally:
            timer.cancel()


def _connected(url: Url, address: str) -> socket.socket:
    """For https, a socket whose handshake is still to come: only this socket can be shut, as
    it takes over the plain one."""
    plain = socket.create_connection((address, url.port), timeout=CONNECT_SECONDS)
    if not url.is_https:
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(
        plain, server_hostname=url.name, do_handshake_on_connect=False
    )


def _shut(opened: socket.socket) -> None:
    # The other side may have gone meanwhile.
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
