"""The address of a client, by which sign-ins and invalid tokens are limited."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

IPV6_PREFIX = 64
"""Bits. A client has at least such a network to itself."""


def client_address(request: HttpRequest) -> str:
    """The client's address as the first of our proxies has seen it; "" if the server
    listens on a Unix socket without proxies."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    addresses = [text.strip() for text in forwarded.split(",") if text.strip()]
    addresses.append(request.META.get("REMOTE_ADDR", ""))
    # Each proxy adds the address it has received the request from. What is further left
    # was written by the client.
    position = min(settings.TRUSTED_PROXIES + 1, len(addresses))
    return addresses[-position]


def client_network(request: HttpRequest) -> str:
    """What is limited: an IPv4 address, or the network of an IPv6 address."""
    text = client_address(request)
    address = _parsed(text)
    if address is None:
        return text
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for a text that is no address. Some proxies add a port."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
