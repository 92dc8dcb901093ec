"""Allauth's forms for codes, which accept a code twice if it is valid for longer than 30
seconds."""

from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from allauth.mfa.totp import forms as totp_forms
from django.core.cache import cache


class ValidOnce:
    """A code is accepted once as long as it is valid."""

    user: Any

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        seconds = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        key = f"used-code:{self.user.pk}:{normalize_user_code(code)}"
        if not cache.add(key, True, timeout=seconds):
            raise get_adapter().validation_error("incorrect_code")
        return code


class ActivateForm(ValidOnce, totp_forms.ActivateTOTPForm):
    pass


class AuthenticateForm(ValidOnce, forms.AuthenticateForm):
    pass


class ReauthenticateForm(ValidOnce, forms.ReauthenticateForm):
    pass
