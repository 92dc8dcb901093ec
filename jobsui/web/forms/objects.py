from typing import Any

from django import forms
from django.db.models import QuerySet

from jobsui.connections.models import Connection
from jobsui.connections.test_request import MAX_BODY_BYTES, METHODS
from jobsui.web.forms.fields import DressedForm


class ObjectKeyForm(DressedForm):
    connection = forms.ModelChoiceField(
        Connection.objects.none(),
        to_field_name="code",
        empty_label="Choose a connection",
    )
    key = forms.CharField(
        label="Object key",
        max_length=255,
        help_text="As in the object settings in Zendesk, such as asset.",
    )

    def __init__(
        self, *args: Any, connections: QuerySet[Connection], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["connection"].queryset = connections  # type: ignore[attr-defined]


class TestRequestForm(DressedForm):
    __test__ = False  # Not a test for pytest.

    method = forms.ChoiceField(choices=[(method, method) for method in METHODS])
    path = forms.CharField(label="Address", max_length=2000)
    body = forms.CharField(
        required=False,
        max_length=MAX_BODY_BYTES,
        strip=False,
        widget=forms.Textarea(
            attrs={"class": "form-control code", "spellcheck": "false"}
        ),
    )
    confirm = forms.BooleanField(required=False, widget=forms.HiddenInput)
