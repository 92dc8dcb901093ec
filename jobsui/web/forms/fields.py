"""Django's widgets with Tabler's classes."""

from typing import Any

from django import forms

CLASSES = {
    "checkbox": "form-check-input",
    "radio": "form-check-input",
    "select": "form-select",
}


class DressedForm(forms.Form):
    """Gives every widget the class of its kind."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dress()

    def dress(self) -> None:
        """Again for fields that are added later."""
        for field in self.fields.values():
            kind = getattr(field.widget, "input_type", "text")
            field.widget.attrs.setdefault("class", CLASSES.get(kind, "form-control"))
