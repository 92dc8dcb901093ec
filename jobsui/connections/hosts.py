"""Which hosts a connection may use. A connection stores a host, never a URL. One parser
serves both the check and the request, so both always see the same host."""

import ipaddress
import re

from django.conf import settings

from jobsui.connections.errors import HostRefused

SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
HOST = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(?::([1-9][0-9]{0,4}))?")
ZENDESK = ".zendesk.com"
HTTPS_PORT = 443
MAX_PORT = 65535


def check_host(text: str) -> str:
    """The host that is stored for a subdomain ("acme") or a listed host
    ("127.0.0.1:8010"). Raises HostRefused when it may not be used."""
    host = text.strip().lower()
    is_listed = host in extra_hosts() or _is_listed(host)
    if SUBDOMAIN.fullmatch(host) and not is_listed:
        host += ZENDESK
    if not _is_allowed(host):
        raise HostRefused(
            f"{text!r} is not a Zendesk subdomain. Enter only the part before "
            ".zendesk.com, such as acme. Other hosts must be listed in "
            "JOBSUI_API_HOSTS on this server."
        )
    return host


def host_of(url: str) -> str:
    """The host that is stored for a base URL ("https://acme.zendesk.com"). Raises
    HostRefused when requests would go elsewhere, or may not go there."""
    scheme, _, name = url.strip().lower().removesuffix("/").partition("://")
    if "@" in name:  # A password may stand before it, so the URL is not repeated.
        raise HostRefused(
            "A base URL is https:// and a host, such as https://acme.zendesk.com. "
            "Leave out the rest."
        )
    host = check_host(name)
    if address(host) != f"{scheme}://{name}":
        raise HostRefused(
            f"The base URL of that host is {address(host)}. "
            "Send it like this, or send the subdomain instead."
        )
    return host


def base_url(host: str) -> str:
    """Where requests for a stored host go. Raises HostRefused when it is no longer
    allowed."""
    require_allowed(host)
    return address(host)


def require_allowed(host: str) -> None:
    """Raise HostRefused unless requests may still go to a stored host."""
    if not _is_allowed(host):
        raise HostRefused(f"The host {host} is not listed in JOBSUI_API_HOSTS.")


def address(host: str) -> str:
    """The base URL of a host, whether it is allowed or not."""
    return f"http://{host}" if is_loopback(host) else f"https://{host}"


def is_loopback(host: str) -> bool:
    name = host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def extra_hosts() -> list[str]:
    """The listed hosts other than Zendesk's own, which forms offer."""
    return [entry for entry in settings.API_HOSTS if not entry.startswith("*.")]


def _is_allowed(host: str) -> bool:
    parts = HOST.fullmatch(host)
    if parts is None:
        return False
    port = int(parts[3] or HTTPS_PORT)
    return port <= MAX_PORT and _is_listed(host)


def _is_listed(host: str) -> bool:
    return any(_matches(host, entry.lower()) for entry in settings.API_HOSTS)


def _matches(host: str, entry: str) -> bool:
    if entry.startswith("*."):
        label = host.removesuffix(entry[1:])
        return label != host and SUBDOMAIN.fullmatch(label) is not None
    is_any_port = ":" not in entry
    return host == entry or (is_any_port and host.partition(":")[0] == entry)
