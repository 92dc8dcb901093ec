"""What something costs this process, its children and the parser server."""

import os
import resource
import time
from collections.abc import Callable

from bench.processes import Cost, costs, peak_mb
from jobsui.files import parser_process


def measured(run: Callable[[], object]) -> dict[str, float]:
    """{"wall", "cpu", "peak_mb"}: seconds, CPU seconds, and the most memory of the largest of
    these processes until now. Ends the parser server."""
    cpu = _cpu_seconds()
    start = time.perf_counter()
    run()
    return {
        "wall": time.perf_counter() - start,
        "cpu": _cpu_seconds() - cpu,
        "peak_mb": _peak_mb(),
    }


def _cpu_seconds() -> float:
    both = (
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    own = sum(used.ru_utime + used.ru_stime for used in both)
    server = costs([os.getpid()]).get("parser", Cost())
    return own + server.cpu_seconds


def _peak_mb() -> float:
    # The server's children count when it has ended.
    parser_process.stop()
    # `ru_maxrss` of a process also counts what the process had that started it.
    own = peak_mb(os.getpid()) or 0
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return max(own, children)
