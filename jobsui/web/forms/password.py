from typing import Any, cast

from allauth.account import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.forms import BooleanField

from jobsui.access import passwords, tokens


class ChangePasswordForm(forms.ChangePasswordForm):
    revoke_tokens = BooleanField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = cast(User, self.user)
        self.is_temporary = passwords.is_temporary(self.person)
        self.tokens = tokens.active(self.person).count()

    def clean_password1(self) -> str:
        password: str = self.cleaned_data["password1"]
        if self.is_temporary and self.person.check_password(password):
            raise ValidationError(
                "Choose another password than the one you were given."
            )
        return password

    def save(self) -> None:
        super().save()
        if self.cleaned_data["revoke_tokens"]:
            tokens.revoke_all(self.person)
