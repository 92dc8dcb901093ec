"""Creates the encryption key of a new installation."""

from allauth.mfa.models import Authenticator
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.management.base import CommandError

from jobsui import keys
from jobsui.connections import encryption

SEALED = "sealed_"
"""How columns with encrypted texts begin."""


def create(sender: AppConfig, using: str, **_signal: object) -> None:  # noqa: ARG001
    """After the migrations, which every installation and every start of `up` runs.

    Raises CommandError if there is no key although secrets are stored: a new key would
    read none of them, and would hide that the old one is missing."""
    if encryption.known_keys():
        return
    if _are_secrets_stored(using):
        raise CommandError(
            "The encryption key of the stored secrets is missing. Set "
            "JOBSUI_ENCRYPTION_KEYS, or restore the file "
            f"{keys.key_file(settings.DATA_DIR)}, from the backup of the data directory or "
            "from the first machine. If the key is lost, docs/security.md says what to do."
        )
    keys.create_encryption_key(settings.DATA_DIR)


def _are_secrets_stored(using: str) -> bool:
    """In columns that are named for it, of any room, or as second factors. The data of passkeys
    is public."""
    factors = Authenticator.objects.using(using).exclude(type="webauthn")
    return factors.exists() or any(
        model._default_manager.using(using).filter(**{f"{field.name}__gt": ""}).exists()
        for model in apps.get_models()
        for field in model._meta.fields
        if field.name.startswith(SEALED)
    )
