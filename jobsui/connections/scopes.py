"""What the scopes of an access token let Jobs UI do."""

from collections.abc import Collection

GLOBAL = {"read", "write"}
READ = {"read", "custom_objects:read"}
WRITE = {"write", "custom_objects:write"}


def suffice(scopes: Collection[str]) -> bool:
    """Whether jobs can be sent and followed with them. Those that are not known may do."""
    held = set(scopes)
    return not held or bool(held & WRITE and held & READ)


def limits(scopes: Collection[str]) -> list[str]:
    """What a token with these scopes cannot do, in sentences. Scopes that are not known
    limit nothing."""
    held = set(scopes)
    if not held:
        return []
    found = []
    if not held & WRITE:
        found.append(
            "The token cannot send jobs: it lacks custom_objects:write or write."
        )
    if not held & READ:
        found.append(
            "The token cannot read objects, records and job statuses: it lacks "
            "custom_objects:read or read."
        )
    elif "read" not in held:
        found.append(
            "The token covers custom objects only. Zendesk might not show which user it "
            "belongs to, and refuses requests about anything else."
        )
    return found
