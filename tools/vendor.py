"""Copies the files of static/vendor out of node_modules (npm ci --ignore-scripts), and
writes their SHA-256 sums.

With --check nothing is written; the exit status says whether static/vendor is what it
should be."""

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES, VENDOR = ROOT / "node_modules", ROOT / "static" / "vendor"
ICONS = (
    "alert-triangle",
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
        found[f"icons/{name}.svg"] = (
            MODULES / f"@tabler/icons/icons/outline/{name}.svg"
        ).read_bytes()
    found["LICENSE.tabler"] = (MODULES / "@tabler/icons/LICENSE").read_bytes()
    sums = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in sorted(found.items())
    )
    return found | {"SHA256SUMS": sums.encode()}


def main() -> int:
    wanted = files()
    if "--check" in sys.argv:
        return int(
            any(
                not (VENDOR / n).exists() or (VENDOR / n).read_bytes() != d
                for n, d in wanted.items()
            )
        )
    for name, data in wanted.items():
        path = VENDOR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
