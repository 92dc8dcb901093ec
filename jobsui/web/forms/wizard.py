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
from jobsui.web.forms.jobs import RunSettingsForm


class _ObjectChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when it runs
    def label_from_instance(self, obj: Any) -> str:
        mark = " (PROD)" if obj.connection.production else ""
        return f"{obj.connection}{mark} · {obj.key}"


class _UploadField(forms.FileField):
    """A file, whose size the browser compares with the maximum before it sends it."""

    widget = forms.FileInput

    def __init__(self, **kwargs: Any) -> None:
        megabytes = settings.MAX_UPLOAD_BYTES // 1024**2
        help_text = f"{file_formats.LABELS}. Up to {megabytes:,} MB."
        super().__init__(help_text=help_text, **kwargs)
        self.widget.attrs |= {
            "accept": ",".join(file_formats.EXTENSIONS),
            "data-max-bytes": settings.MAX_UPLOAD_BYTES,
        }


class JobForm(DressedForm):
    """What a job does, to which object, from which file."""

    object = _ObjectChoice(CustomObject.objects.none(), empty_label="Choose an object")
    action = forms.ChoiceField(
        choices=Action.choices, initial=Action.UPSERT_BY_EXTERNAL_ID
    )
    file = _UploadField()

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


class FileForm(DressedForm):
    """Another file for the same job."""

    file = _UploadField()

    def __init__(
        self, *args: Any, label: str = "Corrected file", **kwargs: Any
    ) -> None:
        super().__init__(*args, auto_id="another_%s", **kwargs)
        self.fields["file"].label = label


class LayoutForm(DressedForm):
    """File settings: how to read a file. What a person did not choose is detected."""

    encoding = forms.ChoiceField(required=False)
    delimiter = forms.ChoiceField(required=False)
    quoting = forms.ChoiceField(label="Quotation marks", required=False)
    sheet = forms.ChoiceField(required=False)
    header_row = forms.IntegerField(
        label="Row of the header", min_value=1, max_value=1000, required=False
    )
    values = forms.ChoiceField(
        label="Formatted values",
        choices=[
            ("", "As stored, such as 42"),
            ("shown", "As a spreadsheet shows them, such as 00042"),
        ],
        required=False,
    )

    def __init__(self, *args: Any, file: File, **kwargs: Any) -> None:
        super().__init__(*args, initial=file.chosen, auto_id="layout_%s", **kwargs)
        offered = {
            "encoding": file_formats.ENCODINGS,
            "delimiter": file_formats.DELIMITERS,
            "quoting": file_formats.QUOTINGS,
            "sheet": {name: name for name in file.sheets},
        }
        for name, labels in offered.items():
            found = "" if name in file.chosen else getattr(file, name)
            detect = ("", _detect(labels.get(found, "")))
            self.fields[name].choices = [detect, *labels.items()]  # type: ignore[attr-defined]
        self.fields["header_row"].widget.attrs["placeholder"] = _detect(file.header_row)
        if file.proposals:
            self.fields["encoding"].label = "Another encoding"
            self.fields["encoding"].choices = [  # type: ignore[attr-defined]
                ("", "Choose an encoding"),
                *file_formats.ENCODINGS.items(),
            ]
        if file.format == "json":
            self.fields["sheet"].label = "List of rows"
        for name in self.fields.keys() - file_formats.settings_of(file):
            del self.fields[name]


def _detect(found: object) -> str:
    return f"Auto-detect ({found})" if found else "Auto-detect"


class MappingForm(DressedForm):
    """One select for each column of the file, and how its cells are read."""

    blank = forms.ChoiceField(
        label="Empty cells",
        choices=[("skip", "Leave the field unchanged"), ("clear", "Clear the field")],
    )
    decimal_mark = forms.ChoiceField(
        label="Decimal mark of numbers",
        required=False,
        choices=[
            ("auto", "As each column shows it"),
            ("point", "Point, such as 1,234.5"),
            ("comma", "Comma, such as 1.234,5"),
        ],
    )
    generate_external_ids = forms.BooleanField(
        label="Generate external IDs",
        required=False,
        help_text=(
            "For rows that have none. If the connection breaks, Jobs UI finds these rows "
            "in Zendesk again. Otherwise they may become uncertain or be created twice."
        ),
    )

    def __init__(
        self,
        *args: Any,
        columns: list[str],
        targets: list[Target],
        action: Action,
        sample: list[Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.columns = columns
        self._sample = sample
        choices = [
            ("", "Don't import"),
            *((target.key, _label(target)) for target in targets),
        ]
        for index, column in enumerate(columns):
            label = f"Zendesk field for {column}"
            select = forms.Select(attrs={"class": "form-select", "aria-label": label})
            self.fields[f"column_{index}"] = forms.ChoiceField(
                choices=choices, required=False, widget=select
            )
        if action is not Action.CREATE:
            del self.fields["generate_external_ids"]
        if action.deletes:
            del self.fields["blank"]
            del self.fields["decimal_mark"]

    def rows(self) -> list[tuple[str, list[str], forms.BoundField]]:
        """(column, a few sample values, its select)."""
        return [
            (column, self._samples(index), self[f"column_{index}"])
            for index, column in enumerate(self.columns)
        ]

    def _samples(self, index: int) -> list[str]:
        values = [cells[index] for _, cells in self._sample if cells[index]]
        return list(dict.fromkeys(values))[:3]

    def mapping(self) -> dict[str, str]:
        """{column: target key} of the columns that are imported."""
        chosen = {}
        for index, column in enumerate(self.columns):
            if target := self.cleaned_data[f"column_{index}"]:
                chosen[column] = target
        return chosen

    def options(self) -> Options:
        generates = bool(self.cleaned_data.get("generate_external_ids"))
        blank = self.cleaned_data.get("blank", "skip")
        return Options(
            blank=blank,
            decimal_mark=self.cleaned_data.get("decimal_mark") or "auto",
            generate_external_ids=generates,
        )


class LaunchForm(RunSettingsForm):
    """How a job starts and runs. Deletes are confirmed by typing their number."""

    start = forms.ChoiceField(
        choices=[
            ("all", "Send everything"),
            (
                "hold_after_first_batch",
                "Send the first batch, then wait for approval",
            ),
        ],
        initial="all",
        required=False,
        widget=forms.RadioSelect,
    )
    confirm = forms.CharField(required=False)

    def __init__(self, *args: Any, number: int, deletes: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number = number
        self._deletes = deletes

    def clean_confirm(self) -> str:
        typed = self.cleaned_data["confirm"].replace(",", "").strip()
        if self._deletes and typed != str(self._number):
            raise forms.ValidationError(
                f"Type {self._number} to delete {counted(self._number, 'record')}."
            )
        return str(typed)


def _label(target: Target) -> str:
    """ "Serial (serial), text, required"."""
    key = target.key.removeprefix("field:")
    name = key if target.label == key else f"{target.label} ({key})"
    parts = [name, target.type]
    if target.required:
        parts.append("required")
    return ", ".join(parts)
