"""Django's widgets in Tabler's dress."""

from typing import Any

from django import forms

CLASSES = {
    "checkbox": "form-check-input",
    "radio": "form-check-input",
    "select": "form-select",
}


class DressedForm(forms.Form):
    """Every widget gets the class its kind has in our styles."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            kind = getattr(field.widget, "input_type", "text")
            field.widget.attrs.setdefault("class", CLASSES.get(kind, "form-control"))
