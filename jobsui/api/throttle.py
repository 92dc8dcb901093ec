"""Limits invalid tokens per client address, for the REST API and the drop-in endpoint
together."""

from django.core.cache import cache
from django.http import HttpRequest

from jobsui.access.client_address import client_network

MAX_REJECTED_TOKENS = 30
"""Per client address and minute. Valid tokens are accepted regardless."""
WINDOW_SECONDS = 60


def count_rejected_token(request: HttpRequest) -> int:
    """Count one invalid token. Returns the seconds its client should wait; 0 while it
    is within the limit."""
    key = f"rejected-token:{client_network(request)}"
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        count = cache.incr(key)
    except ValueError:  # The key expired between the two calls.
        return 0
    return WINDOW_SECONDS if count > MAX_REJECTED_TOKENS else 0
