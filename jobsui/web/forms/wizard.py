from collections.abc import Mapping
from typing import Any, get_args

from django import forms
from django.conf import settings
from django.db.models import QuerySet

from jobsui.connections.models import CustomObject
from jobsui.jobs.control.approvals import MAX_TEXT
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.options import RefuseChanged
from jobsui.jobs.models import File
from jobsui.jobs.preparation import file_formats
from jobsui.text import counted
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.jobs import RunSettingsForm

NO_READS: Mapping[str, str] = {}
REFUSALS = get_args(RefuseChanged.__value__)


class _ObjectChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when it runs
    def label_from_instance(self, obj: Any) -> str:
        mark = " (PROD)" if obj.connection.production else ""
        return f"{obj.connection}{mark} · {obj.key}"


class UploadField(forms.FileField):
    """A file, whose size the browser compares with the maximum before it sends it."""

    widget = forms.FileInput

    def __init__(self, **kwargs: Any) -> None:
        megabytes = settings.MAX_UPLOAD_BYTES // 1024**2
        help_text = f"{file_formats.LABELS}. Up to {megabytes:,} MB."
        super().__init__(help_text=help_text, **kwargs)
        self.error_messages["empty"] = "The file is empty. Choose another file."
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
    file = UploadField()

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

    file = UploadField()

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
    keep_undo = forms.BooleanField(
        label="Keep what the records hold, so that the job can be undone",
        required=False,
    )
    refuse_changed = forms.ChoiceField(
        label="Rows whose records change after the comparison",
        required=False,
        widget=forms.RadioSelect,
    )
    confirm = forms.CharField(required=False)
    # If the job needs approval.
    note = forms.CharField(
        label="Note for the approver",
        required=False,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    launches_itself = forms.BooleanField(label="Launch when approved", required=False)

    def __init__(
        self,
        *args: Any,
        number: int,
        deletes: bool,
        reads: Mapping[str, str] = NO_READS,
        **kwargs: Any,
    ) -> None:
        """`reads`: {"keep_undo" or a RefuseChanged, if it is offered: what it means}."""
        super().__init__(*args, **kwargs)
        self._number = number
        self._deletes = deletes
        if "keep_undo" in reads:
            self.fields["keep_undo"].help_text = reads["keep_undo"]
        else:
            del self.fields["keep_undo"]
        offered = [(name, text) for name, text in reads.items() if name in REFUSALS]
        if offered:
            self.fields["refuse_changed"].choices = offered  # type: ignore[attr-defined]
        else:
            del self.fields["refuse_changed"]

    def clean_confirm(self) -> str:
        typed = self.cleaned_data["confirm"].replace(",", "").strip()
        if self._deletes and typed != str(self._number):
            raise forms.ValidationError(
                f"Type {self._number} to delete {counted(self._number, 'record')}."
            )
        return str(typed)
