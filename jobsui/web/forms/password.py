from typing import Any, cast

from allauth.account import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from jobsui.access import passwords


class ChangePasswordForm(forms.ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = cast(User, self.user)
        self.is_temporary = passwords.is_temporary(self.person)

    def clean_password1(self) -> str:
        password: str = self.cleaned_data["password1"]
        if self.is_temporary and self.person.check_password(password):
            raise ValidationError(
                "Choose another password than the one you were given."
            )
        return password
