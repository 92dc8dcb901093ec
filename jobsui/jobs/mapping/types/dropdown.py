"""One option, found by its tag or its label."""

from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping.types.base import ValueType, problem
from jobsui.zendesk.payloads import Field

MAX_OPTIONS_NAMED = 8


class Dropdown(ValueType, names=("dropdown",)):
    def __init__(self, field: Field, decimal_mark: Mark = ".") -> None:
        super().__init__(field, decimal_mark)
        self._tags = {option.value for option in field.options}
        self._tags_by_label: dict[str, list[str]] = {}
        for option in field.options:
            label = option.name.strip().lower()
            self._tags_by_label.setdefault(label, []).append(option.value)

    def parse(self, text: str) -> str:
        plain = text.strip()
        if plain in self._tags:
            return plain
        lower = plain.lower()
        found = self._tags_by_label.get(lower, [])
        if not found and lower in self._tags:
            found = [lower]
        if not found:
            raise problem(
                "unknown_option",
                text,
                f"is not an option of {self.field.title}",
                options_fix(self.field),
            )
        if len(found) > 1:
            raise problem(
                "ambiguous_option",
                text,
                f"is the label of several options of {self.field.title}",
                f"Write the tag: {' or '.join(found)}.",
            )
        return found[0]


def options_fix(field: Field) -> str:
    if not field.options:
        return (
            "The field has no options yet. "
            "Add them in Zendesk, refresh the object and check again."
        )
    tags = [option.value for option in field.options]
    named = ", ".join(tags[:MAX_OPTIONS_NAMED])
    more = len(tags) - MAX_OPTIONS_NAMED
    if more > 0:
        named += f" and {more} more"
    several = " Write ; between several." if field.type == "multiselect" else ""
    return (
        f"Its options are {named}.{several} Choose what the value becomes in the column's "
        "rule, or add the option in Zendesk, refresh the object and check again."
    )
