"""How allauth's second factors are stored and named here."""

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from jobsui.access import factors


class FactorAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": (
            "Your role needs a second factor. Add another one before you remove this one."
        ),
        "incorrect_code": "Incorrect or already used.",
    }

    def get_totp_issuer(self) -> str:
        return f"Jobs UI ({context.request.get_host()})"

    def _get_site_name(self) -> str:
        return "Jobs UI"

    def encrypt(self, text: str) -> str:
        return factors.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return factors.decrypt(encrypted_text)

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        others = Authenticator.objects.filter(
            user=authenticator.user, type__in=factors.ENTERED
        ).exclude(pk=authenticator.pk)
        return others.exists() or not factors.is_required(authenticator.user)
