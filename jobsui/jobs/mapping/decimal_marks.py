"""Which decimal mark the numbers of each column of a job have."""

from collections.abc import Mapping

from jobsui.files.number_styles import Mark, judge
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File

CHOSEN: Mapping[str, Mark] = {"point": ".", "comma": ","}
TEXT_FORMATS = frozenset({"csv"})
"""Formats without numbers of their own."""


def decimal_marks(file: File, options: Options) -> dict[str, Mark]:
    """{column: decimal mark}, by the person's choice or by all numbers of the column. "?":
    they do not decide. Columns without marked numbers are left out."""
    if chosen := CHOSEN.get(options.decimal_mark):
        return dict.fromkeys(file.columns, chosen)
    has_numbers = file.format not in TEXT_FORMATS
    return {
        column: judge(counts, has_numbers=has_numbers)
        for column, counts in file.number_marks.items()
    }
