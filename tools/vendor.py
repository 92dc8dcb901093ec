"""Copies the files of static/vendor from node_modules (npm ci --ignore-scripts), and
writes their SHA-256 sums.

With --check it writes nothing. Its exit status says whether static/vendor is current.
"""

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"
ICONS = (
    "alert-triangle",
    "arrow-back-up",
    "arrow-left",
    "arrow-right",
    "ban",
    "check",
    "circle-check",
    "circle-dashed",
    "clock",
    "copy",
    "database",
    "download",
    "filter",
    "help-circle",
    "home",
    "hourglass",
    "key",
    "list-details",
    "loader-2",
    "lock",
    "logout",
    "menu-2",
    "pencil",
    "player-pause",
    "player-play",
    "plug-connected",
    "plus",
    "refresh",
    "rocket",
    "search",
    "send",
    "shield-lock",
    "sun-moon",
    "trash",
    "upload",
    "user",
    "users",
    "circle-x",
)


def files() -> dict[str, bytes]:
    css = (MODULES / "@tabler/core/dist/css/tabler.min.css").read_bytes()
    found = {"tabler.min.css": re.sub(rb"/\*# sourceMappingURL=.*?\*/", b"", css)}
    for name in ICONS:
        icon = MODULES / f"@tabler/icons/icons/outline/{name}.svg"
        found[f"icons/{name}.svg"] = icon.read_bytes()
    found["LICENSE.tabler"] = (MODULES / "@tabler/icons/LICENSE").read_bytes()
    sums = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(found.items())
    ]
    return found | {"SHA256SUMS": "".join(sums).encode()}


def is_current(name: str, content: bytes) -> bool:
    path = VENDOR / name
    return path.exists() and path.read_bytes() == content


def main() -> int:
    wanted = files()
    if "--check" in sys.argv:
        outdated = [name for name in wanted if not is_current(name, wanted[name])]
        return 1 if outdated else 0
    for name, data in wanted.items():
        path = VENDOR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
