"""Checkboxes."""

from jobsui.jobs.mapping.types.base import ValueType, problem

TRUE = frozenset({"true", "yes", "y", "1", "on"})
FALSE = frozenset({"false", "no", "n", "0", "off"})


class Checkbox(ValueType, names=("checkbox",)):
    def parse(self, text: str) -> bool:
        word = text.strip().lower()
        if word in TRUE:
            return True
        if word in FALSE:
            return False
        raise problem(
            "not_a_checkbox",
            text,
            "is neither yes nor no",
            "Choose words for yes and no in the column's rule, or write true or false, yes or "
            "no, 1 or 0.",
        )
