"""Requests per minute."""

import math
import time
from collections import deque
from collections.abc import Callable

from jobsui.sandbox.assumptions import Assumptions


class Window:
    """Counts within one window after another, or within a window that slides."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that never go back."""
        self.clock = clock
        self.started = 0.0
        self.taken: deque[float] = deque()
        """When each counted request came."""

    def take(self, limit: int, seconds: float, assumptions: Assumptions) -> bool:
        """Count one; False when the window is used up."""
        now = self.clock()
        if assumptions.rate_window == "sliding":
            self._slide(now, seconds)
        elif now - self.started >= seconds:
            self.started = now
            self.taken.clear()
        is_allowed = len(self.taken) < limit
        if is_allowed or assumptions.limited_requests == "counted":
            self.taken.append(now)
        return is_allowed

    def _slide(self, now: float, seconds: float) -> None:
        while self.taken and now - self.taken[0] >= seconds:
            self.taken.popleft()
        self.started = self.taken[0] if self.taken else now

    def reset_in(self, seconds: float) -> int:
        """Whole seconds until there is room again, at least one."""
        return max(1, math.ceil(self.started + seconds - self.clock()))

    def headers(self, limit: int, seconds: float) -> dict[str, str]:
        remaining = str(max(0, limit - len(self.taken)))
        return {
            "X-Rate-Limit": str(limit),
            "X-Rate-Limit-Remaining": remaining,
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": remaining,
            "ratelimit-reset": str(self.reset_in(seconds)),
        }
