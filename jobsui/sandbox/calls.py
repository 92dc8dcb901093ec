"""What a handler receives: the account, the request and helpers to read it."""

import json
from dataclasses import dataclass, replace

from jobsui.sandbox.account import Account
from jobsui.sandbox.errors import invalid_parameter, role_may_not, unreadable_json
from jobsui.sandbox.protocol import JsonObject, Request, Response
from jobsui.sandbox.schema import CustomObject, now
from jobsui.sandbox.tokens import Token


@dataclass(slots=True)
class Call:
    account: Account
    request: Request
    token: Token | None = None
    """The access token used; None with an API token."""
    signed_in: bool = True

    @property
    def query(self) -> dict[str, str]:
        return self.request.query

    @property
    def origin(self) -> str:
        return self.request.origin

    def custom_object(self, key: str) -> CustomObject:
        """Raises Refused when there is none."""
        return self.account.custom_object(key)

    def readable_object(self, key: str) -> CustomObject:
        """The object with the records that lists and single reads show now. Raises
        Refused."""
        lag = self.account.assumptions.read_lag
        return delayed(self.custom_object(key), lag)

    def searchable_object(self, key: str) -> CustomObject:
        """The object with the records that searches find now. Raises Refused."""
        lag = self.account.assumptions.search_lag
        return delayed(self.custom_object(key), lag)

    def body(self) -> JsonObject:
        """The JSON object sent; raises Refused."""
        try:
            data = json.loads(self.request.body or b"{}")
        except ValueError:
            raise unreadable_json() from None
        if not isinstance(data, dict):
            raise unreadable_json()
        return data

    def part(self, name: str, where: str) -> JsonObject:
        """The object under one name of the body; raises Refused."""
        data = self.body().get(name)
        if not isinstance(data, dict):
            rule = "is missing" if data is None else "must be an object"
            raise invalid_parameter(name, rule, where)
        return data

    def only_for_admins(self) -> None:
        if self.account.settings.role != "admin":
            raise role_may_not()


def delayed(custom_object: CustomObject, seconds: float) -> CustomObject:
    """The object as it was before, without hidden records."""
    if not seconds and not custom_object.table.hidden:
        return custom_object
    moment = now() - int(seconds * 1000)
    return replace(custom_object, table=custom_object.table.as_of(moment))


def no_content() -> Response:
    return Response(204)
