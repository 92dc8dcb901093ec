"""Wrong tokens are counted by address, whichever door they come to."""

from django.core.cache import cache
from django.http import HttpRequest

WRONG_TOKENS = 30
"""So many from one address in a minute; then they are told to wait. A valid token is
let in all the same."""
MINUTE = 60


def wrong_token(request: HttpRequest) -> int:
    """Count one; for how many seconds its address is told to wait, 0: not yet."""
    name = f"wrong-token:{request.META.get('REMOTE_ADDR', '')}"
    cache.add(name, 0, MINUTE)
    try:
        seen = cache.incr(name)
    except ValueError:  # It ran out this very moment.
        return 0
    return MINUTE if seen > WRONG_TOKENS else 0
