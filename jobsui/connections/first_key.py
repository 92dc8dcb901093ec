"""Creates the encryption key of a new installation."""

from allauth.mfa.models import Authenticator
from django.apps import AppConfig
from django.conf import settings
from django.core.management.base import CommandError
from django.db.models import Q

from jobsui import keys
from jobsui.connections import encryption
from jobsui.connections.models import Connection


def create(sender: AppConfig, using: str, **_signal: object) -> None:  # noqa: ARG001
    """After the migrations, which every installation and every start of `up` runs.

    Raises CommandError if there is no key although secrets are stored: a new key would
    read none of them, and would hide that the old one is missing."""
    if encryption.known_keys():
        return
    is_stored = Q()
    for name in Connection.SECRETS:
        is_stored |= Q(**{f"sealed_{name}__gt": ""})
    connections = Connection.objects.using(using).filter(is_stored)
    factors = Authenticator.objects.using(using).exclude(type="webauthn")
    if connections.exists() or factors.exists():
        raise CommandError(
            "The encryption key of the stored secrets is missing. Set "
            "JOBSUI_ENCRYPTION_KEYS, or restore the file "
            f"{keys.key_file(settings.DATA_DIR)}, from the backup of the data directory or "
            "from the first machine. If the key is lost, docs/security.md says what to do."
        )
    keys.create_encryption_key(settings.DATA_DIR)
