"""What Zendesk says it left out of a request that it otherwise accepted
(docs/zendesk.md)."""

import re

from jobsui.zendesk.payloads import Response

HEADER = "X-Zendesk-API-Warn"
REMOVED_MEMBERS = re.compile(r"Removed restricted keys \[([^\]]*)\]")


def api_warning(response: Response) -> str:
    """The warning of a response; "" when there is none."""
    return response.headers.get(HEADER) or ""


def left_out(warning: str) -> list[str]:
    """The members that Zendesk left out, according to a warning; empty if it says
    something else."""
    found = REMOVED_MEMBERS.search(warning)
    if not found:
        return []
    names = (name.strip(" \"':") for name in found[1].split(","))
    return [name for name in names if name]
