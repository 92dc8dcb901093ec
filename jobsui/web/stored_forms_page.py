"""What pages say about values that Zendesk stores in another form."""

from dataclasses import dataclass
from datetime import datetime

from jobsui.connections.models import CustomObject
from jobsui.jobs.mapping.comparison import Form

TEXTS = {
    Form.TRIMMED: "Without spaces and line breaks at the ends",
    Form.LINE_ENDS: "With other line ends",
    Form.COMPOSED: "With letters and accents as one character (NFC)",
    Form.UNCHECKED: "Unchecked instead of blank",
    Form.BLANK: "Blank in another way",
    Form.CURRENCY: "An amount with or without its currency code",
    Form.OPTIONS: "Options in another order, or as a text",
    Form.NUMBER: "A number with other digits, or as a text",
    Form.MIDNIGHT: "A date with or without a time",
    Form.JSON_TYPE: "A value or its text",
}


@dataclass(frozen=True, slots=True)
class Line:
    key: str
    """Of the field."""
    form: str
    text: str
    at: datetime
    """When a proof showed it."""


def lines(custom_object: CustomObject) -> list[Line]:
    return [
        Line(key, form, TEXTS[Form(form)], datetime.fromisoformat(at))
        for key, forms in sorted(custom_object.stored_forms.items())
        for form, at in forms.items()
        if form in set(Form)
    ]
