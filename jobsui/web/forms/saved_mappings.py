from typing import Any

from django import forms
from django.db.models import QuerySet

from jobsui.jobs.models import SavedMapping
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.wizard import UploadField


class SaveMappingForm(DressedForm):
    """The name under which a mapping is saved."""

    name = forms.CharField(
        max_length=100,
        help_text="A name that exists gets a new version. Its earlier versions stay.",
        widget=forms.TextInput(attrs={"list": "names", "autocomplete": "off"}),
    )


class NextFileForm(DressedForm):
    """The file of a job with a saved mapping, which says all the rest."""

    file = UploadField()


class ChooseMappingForm(DressedForm):
    """Which saved mapping a new job has."""

    mapping = forms.ModelChoiceField(
        SavedMapping.objects.none(), label="Saved mapping", empty_label="None"
    )

    def __init__(
        self, *args: Any, mappings: QuerySet[SavedMapping], **kwargs: Any
    ) -> None:
        super().__init__(*args, auto_id="choose_%s", **kwargs)
        self.fields["mapping"].queryset = mappings  # type: ignore[attr-defined]
        self.fields["mapping"].label_from_instance = _label  # type: ignore[attr-defined]
        self._mappings = mappings

    @property
    def has_mappings(self) -> bool:
        return self._mappings.exists()


def _label(saved: SavedMapping) -> str:
    mark = " (PROD)" if saved.connection.production else ""
    target = f"{saved.connection}{mark} · {saved.object_key}"
    return f"{saved.name}, version {saved.version} · {target}"
