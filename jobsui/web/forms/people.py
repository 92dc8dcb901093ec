from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator

from jobsui.access import people, policy
from jobsui.access.models import Role
from jobsui.connections.models import Connection
from jobsui.web.forms.fields import DressedForm

NO_ROLE = "None: only the connections below"


def _username() -> forms.CharField:
    return forms.CharField(
        label="Username", max_length=150, validators=[UnicodeUsernameValidator()]
    )


class PersonForm(DressedForm):
    username = _username()
    role = forms.ChoiceField(
        label="General role",
        required=False,
        choices=[("", NO_ROLE), *Role.choices],
        initial=Role.OPERATOR,
        help_text=(
            "Viewers see jobs and results. Operators also upload files, run jobs, and see "
            "requests as they were sent. Approvers also approve jobs of others. "
            "Administrators also manage connections, their secrets, and people."
        ),
    )

    def __init__(
        self,
        *args: Any,
        person: User | None = None,
        by: User,
        connections: Iterable[Connection],
        **kwargs: Any,
    ) -> None:
        """`connections`: all of them. Each has a field for the role there."""
        self.person = person
        self.by = by
        super().__init__(*args, initial=_roles_of(person), **kwargs)
        self._connections = {f"connection_{each.pk}": each for each in connections}
        for name, connection in self._connections.items():
            self.fields[name] = forms.ChoiceField(
                label=str(connection),
                required=False,
                choices=[("", "The general role"), *Role.choices],
            )
        self.dress()

    @property
    def general_fields(self) -> list[forms.BoundField]:
        return [self["username"], self["role"]]

    @property
    def connection_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self._connections]

    @property
    def roles(self) -> people.Roles:
        """What was chosen."""
        fields: dict[str, Connection | None] = {"role": None, **self._connections}
        return {
            connection: _role(self.cleaned_data[name])
            for name, connection in fields.items()
        }

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        others = User.objects.exclude(pk=self.person.pk if self.person else 0)
        if others.filter(username__iexact=name).exists():
            raise forms.ValidationError("That username is taken.")
        return name

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.person == self.by and role != Role.ADMINISTRATOR:
            raise forms.ValidationError(
                "You cannot remove your own administrator role. Ask another administrator."
            )
        return role


def _roles_of(person: User | None) -> dict[str, Any]:
    if person is None:
        return {}
    assigned = {
        f"connection_{assignment.connection_id}": assignment.role
        for assignment in person.role_assignments.exclude(connection=None)
    }
    general = policy.general_role(person)
    return assigned | {"username": person.username, "role": general or ""}


def _role(text: str) -> Role | None:
    return Role(text) if text else None


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
