from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator

from jobsui.web.forms.fields import DressedForm


class PersonForm(DressedForm):
    username = forms.CharField(
        label="User name", max_length=150, validators=[UnicodeUsernameValidator()]
    )
    is_superuser = forms.BooleanField(
        label="Administrator",
        required=False,
        help_text="May also keep connections, their secrets, and people.",
    )
    is_active = forms.BooleanField(
        label="May sign in",
        required=False,
        initial=True,
        help_text="Without it they are out at once, and their API tokens with them.",
    )

    def __init__(
        self, *args: Any, person: User | None = None, by: User, **kwargs: Any
    ) -> None:
        self.person, self.by = person, by
        super().__init__(*args, **kwargs)

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if (
            User.objects.filter(username__iexact=name)
            .exclude(pk=self.person.pk if self.person else 0)
            .exists()
        ):
            raise forms.ValidationError("Somebody has that name already.")
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.person == self.by and not (
            data.get("is_superuser") and data.get("is_active")
        ):
            raise forms.ValidationError(
                "You cannot take your own rights away. Another administrator can."
            )
        return data


class FirstRunForm(DressedForm):
    token = forms.CharField(
        label="Token from the console",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    username = forms.CharField(
        label="User name", max_length=150, validators=[UnicodeUsernameValidator()]
    )
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(
            password, User(username=self.cleaned_data.get("username", ""))
        )
        return password
