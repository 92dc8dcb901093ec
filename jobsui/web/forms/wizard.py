from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import Target
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File
from jobsui.jobs.preparation import file_formats
from jobsui.text import counted
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.jobs import RulesForm

HELP = {
    Action.CREATE: "Makes a new record of each row.",
    Action.UPDATE: "Changes the records named by their Zendesk ID.",
    Action.UPSERT_BY_EXTERNAL_ID: "Changes the record with that external ID, or makes it. Safe to repeat.",
    Action.UPSERT_BY_NAME: "Changes the record of that name, or makes it. Only where names are unique.",
    Action.DELETE: "Deletes the records named by their Zendesk ID.",
    Action.DELETE_BY_EXTERNAL_ID: "Deletes the records named by their external ID.",
}
DETECT = ("", "Auto-detect")


class _ObjectChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when it runs
    def label_from_instance(self, obj: Any) -> str:
        mark = " (PROD)" if obj.connection.production else ""
        return f"{obj.connection}{mark} · {obj.key}"


class JobForm(DressedForm):
    """What a job does, to which object, from which file."""

    object = _ObjectChoice(CustomObject.objects.none(), empty_label="Choose an object")
    action = forms.ChoiceField(
        choices=Action.choices, initial=Action.UPSERT_BY_EXTERNAL_ID
    )
    file = forms.FileField(
        help_text=f"{file_formats.LABELS}.",
        widget=forms.FileInput(attrs={"accept": ",".join(file_formats.EXTENSIONS)}),
    )

    def __init__(
        self,
        *args: Any,
        objects: QuerySet[CustomObject],
        needs_file: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["object"].queryset = objects.order_by("connection__name", "key")  # type: ignore[attr-defined]
        self.fields["file"].required = needs_file
        self.fields[
            "file"
        ].help_text += f" Up to {settings.MAX_UPLOAD_BYTES // 1024**2:,} MB."


class LayoutForm(DressedForm):
    """How to read a file, where what was detected is wrong."""

    encoding = forms.ChoiceField(
        choices=[DETECT, *file_formats.ENCODINGS.items()], required=False
    )
    delimiter = forms.ChoiceField(
        choices=[DETECT, *file_formats.DELIMITERS.items()], required=False
    )
    sheet = forms.ChoiceField(widget=forms.Select(attrs={"class": "form-select"}))

    def __init__(self, *args: Any, file: File, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sheet"].choices = [(name, name) for name in file.sheets]  # type: ignore[attr-defined]
        for name in self.fields.keys() - file_formats.settings_of(file):
            del self.fields[name]


class MappingForm(DressedForm):
    """One select for each column of the file, and the rules of the job."""

    blank = forms.ChoiceField(
        label="An empty cell",
        choices=[("skip", "leaves the field as it is"), ("clear", "empties the field")],
    )
    generate_external_ids = forms.BooleanField(
        label="Give rows without an external ID one of this job's making",
        required=False,
        help_text="With it, a row whose answer got lost can be found again instead of staying uncertain or being "
        "created twice.",
    )

    def __init__(
        self,
        *args: Any,
        columns: list[str],
        targets: list[Target],
        creates: bool,
        sample: list[Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.columns, self._sample = columns, sample
        choices = [
            ("", "not sent"),
            *((target.key, _label(target)) for target in targets),
        ]
        for place, column in enumerate(columns):
            select = forms.Select(
                attrs={"class": "form-select", "aria-label": f"{column} goes to"}
            )
            self.fields[f"column_{place}"] = forms.ChoiceField(
                choices=choices, required=False, widget=select
            )
        if not creates:
            del self.fields["generate_external_ids"]

    def rows(self) -> list[tuple[str, list[str], forms.BoundField]]:
        """(column, a few sample values, its select)."""
        return [
            (column, self._samples(place), self[f"column_{place}"])
            for place, column in enumerate(self.columns)
        ]

    def _samples(self, place: int) -> list[str]:
        return list(
            dict.fromkeys(cells[place] for _, cells in self._sample if cells[place])
        )[:3]

    def mapping(self) -> dict[str, str]:
        chosen = (
            (column, self.cleaned_data[f"column_{place}"])
            for place, column in enumerate(self.columns)
        )
        return {column: target for column, target in chosen if target}

    def options(self) -> Options:
        data = self.cleaned_data
        return Options(
            blank=data["blank"],
            generate_external_ids=bool(data.get("generate_external_ids")),
        )


class LaunchForm(RulesForm):
    """How a job begins and runs. Deletes are launched by typing how many."""

    start = forms.ChoiceField(
        choices=[
            ("all", "all at once"),
            ("hold_after_first_batch", "the first batch, then wait for me to look"),
        ],
        initial="all",
        required=False,
        widget=forms.RadioSelect,
    )
    confirm = forms.CharField(required=False)

    def __init__(self, *args: Any, number: int, deletes: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number, self._deletes = number, deletes

    def clean_confirm(self) -> str:
        typed = self.cleaned_data["confirm"].replace(",", "").strip()
        if self._deletes and typed != str(self._number):
            raise forms.ValidationError(
                f"Type {self._number} to delete {counted(self._number, 'record')}."
            )
        return str(typed)


def _label(target: Target) -> str:
    key = target.key.removeprefix("field:")
    name = f"{target.label} ({key})" if target.label != key else key
    return f"{name}, {target.type}{', required' if target.required else ''}"
