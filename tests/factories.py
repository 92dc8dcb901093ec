"""Plain functions that make what a test needs, with no surprises."""

from typing import Any

from django.contrib.auth.models import User

from jobsui.connections.models import Connection, CustomObject, SignIn


def make_user(username: str = "ana", *, admin: bool = False, password: str = "correct-horse-battery") -> User:
    create = User.objects.create_superuser if admin else User.objects.create_user
    return create(username, password=password)


def make_connection(**fields: Any) -> Connection:
    """An API-token connection to acme.zendesk.com unless said otherwise."""
    values = {"name": "Acme", "host": "acme.zendesk.com", "sign_in": SignIn.API_TOKEN, "email": "ops@acme.example"}
    connection = Connection(**values | fields)
    connection.set_secret("api_token", "token-of-acme")
    connection.save()
    return connection


def make_object(connection: Connection, key: str = "asset", **fields: Any) -> CustomObject:
    return CustomObject.objects.create(connection=connection, key=key, **fields)
