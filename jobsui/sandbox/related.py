"""Users, organizations and tickets: what lookup fields can refer to, beside records. They
are the same at every start."""

from jobsui.sandbox.ids import ADMIN_ID
from jobsui.sandbox.protocol import JsonObject


def user(
    user_id: int, name: str, external_id: str, *, active: bool = True
) -> JsonObject:
    return {
        "id": user_id,
        "name": name,
        "external_id": external_id,
        "active": active,
    }


def organization(organization_id: int, name: str, external_id: str) -> JsonObject:
    return {"id": organization_id, "name": name, "external_id": external_id}


def ticket(ticket_id: int, subject: str, external_id: str) -> JsonObject:
    return {"id": ticket_id, "subject": subject, "external_id": external_id}


LISTS: dict[str, list[JsonObject]] = {
    "users": [
        user(int(ADMIN_ID), "Sandbox Admin", "E-1000"),
        user(26000000000002, "Ann Lind", "E-1001"),
        user(26000000000003, "Ben Okoro", "E-1002"),
        user(26000000000004, "Cem Deleted", "E-1003", active=False),
    ],
    "organizations": [
        organization(27000000000001, "North office", "O-1"),
        organization(27000000000002, "South office", "O-2"),
    ],
    "tickets": [
        ticket(1, "Replace the battery", "T-1"),
        ticket(2, "Lost laptop", "T-2"),
    ],
}
BY_TARGET = {
    "zen:user": "users",
    "zen:organization": "organizations",
    "zen:ticket": "tickets",
}


def with_keys(name: str, member: str, keys: list[str]) -> list[JsonObject]:
    """Those of a list whose member is one of the keys. Case does not matter."""
    wanted = {key.lower() for key in keys if key}
    return [each for each in LISTS[name] if str(each.get(member, "")).lower() in wanted]


def find(target: str, value: str) -> str | None:
    """The id of what a lookup field refers to; None when there is no such thing or it is
    deleted. Of articles, brands and the like the sandbox has none, so any number is
    accepted."""
    if target not in BY_TARGET:
        return value if value.isascii() and value.isdigit() else None
    member = "id"
    key = value
    if value.startswith(("external_id:", "name:")):
        member, _, key = value.partition(":")
    found = with_keys(BY_TARGET[target], member, [key])
    existing = [each for each in found if each.get("active") is not False]
    return str(existing[0]["id"]) if existing else None
