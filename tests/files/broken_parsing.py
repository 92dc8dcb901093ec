"""`jobsui.files.parsing` with a reader that does what the file's name says."""

import ctypes
import errno
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

from jobsui.files import parsing
from jobsui.files.intake import Found
from jobsui.files.layout import Layout


def broken_take_in(
    _content: Any, name: str, _chosen: Any, out: Any, _progress: Any, report: Any
) -> Found:
    report(Found(layout=Layout("xlsx"), sheets=["Assets", "People"]))
    if name == "memory":
        bytearray(4 << 30)
    elif name == "spin":
        while True:
            pass
    elif name == "hang":
        # It keeps the interpreter lock.
        re.match("(a+)+b", "a" * 60)
    elif name == "sleep":
        time.sleep(600)
    elif name == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    elif name == "server":
        return Found(sheets=[str(os.getppid())])
    elif name == "end server":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    elif name == "crash":
        ctypes.string_at(0)
    elif name == "error":
        raise ValueError("broken")
    elif name == "staged":
        out.write(bytes(2 << 20))
    elif name.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[name])
    elif name.startswith("/") and not Path(name).exists():
        Path(name).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write("Libraries may print.\n")
    environment = Path("/proc/self/environ").read_text()
    names = {each.partition("=")[0] for each in environment.split("\0") if each}
    return Found(columns=sorted({*names, *os.environ}), sheets=_open_files())


def _open_files() -> list[str]:
    links = Path("/proc/self/fd").iterdir()
    # One is the folder that is listed.
    return [str(link.readlink()) for link in links if link.is_symlink()]


if __name__ == "__main__":
    vars(parsing)["take_in"] = broken_take_in
    parsing.main()
