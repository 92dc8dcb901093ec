import pytest

from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from tests.factories import make_connection, make_object
from tests.harness import GADGET
from tests.sandbox_server import Sandbox


@pytest.fixture
def gadget(sandbox: Sandbox) -> CustomObject:
    """An object of a sandbox that is running, so that launch can read its fields
    again."""
    sandbox.settings(api_tokens=True)
    sandbox.make_object("gadget", fields=GADGET)
    connection = make_connection(host=sandbox.host, email=sandbox.email)
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return objects.refresh(make_object(connection, "gadget"))
