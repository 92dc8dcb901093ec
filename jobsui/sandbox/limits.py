"""Requests per minute, counted in fixed windows."""

import math
import time


class Window:
    """Counts within one window after another."""

    def __init__(self) -> None:
        self.started = 0.0
        self.used = 0

    def take(self, limit: int, seconds: float) -> bool:
        """Count one; False when the window is used up."""
        now = time.monotonic()
        if now - self.started >= seconds:
            self.started = now
            self.used = 0
        if self.used >= limit:
            return False
        self.used += 1
        return True

    def reset_in(self, seconds: float) -> int:
        """Whole seconds to the next window, at least one."""
        return max(1, math.ceil(self.started + seconds - time.monotonic()))

    def headers(self, limit: int, seconds: float) -> dict[str, str]:
        remaining = str(max(0, limit - self.used))
        return {
            "X-Rate-Limit": str(limit),
            "X-Rate-Limit-Remaining": remaining,
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": remaining,
            "ratelimit-reset": str(self.reset_in(seconds)),
        }
