from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator

from jobsui.web.forms.fields import DressedForm


def _username() -> forms.CharField:
    return forms.CharField(
        label="Username", max_length=150, validators=[UnicodeUsernameValidator()]
    )


class PersonForm(DressedForm):
    username = _username()
    is_superuser = forms.BooleanField(
        label="Administrator",
        required=False,
        help_text="Can also manage connections, their secrets, and people.",
    )

    def __init__(
        self, *args: Any, person: User | None = None, by: User, **kwargs: Any
    ) -> None:
        self.person = person
        self.by = by
        super().__init__(*args, **kwargs)

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        others = User.objects.exclude(pk=self.person.pk if self.person else 0)
        if others.filter(username__iexact=name).exists():
            raise forms.ValidationError("That username is taken.")
        return name

    def clean_is_superuser(self) -> bool:
        is_superuser: bool = self.cleaned_data["is_superuser"]
        if self.person == self.by and not is_superuser:
            raise forms.ValidationError(
                "You cannot remove your own administrator role. Ask another administrator."
            )
        return is_superuser


class FirstRunForm(DressedForm):
    token = forms.CharField(
        label="Token from the console",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    username = _username()
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        person = User(username=self.cleaned_data.get("username", ""))
        validate_password(password, person)
        return password
