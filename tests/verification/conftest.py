from tests.connections.conftest import oauth_client
from tests.verification.accounts import clock

__all__ = ["clock", "oauth_client"]
