from collections.abc import Callable
from dataclasses import dataclass

from jobsui.files.layout import DETECT_ALL, Layout


@dataclass(frozen=True)
class File:
    name: str
    make: Callable[[], bytes]
    chosen: Layout = DETECT_ALL
