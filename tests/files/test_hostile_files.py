"""Awkward and hostile files through the whole intake, under the limits of the process that
reads them: a sentence says what is wrong with the file, or its rows are read."""

from dataclasses import replace
from pathlib import Path

import pytest

from jobsui.files.parser_process import Limits
from tests.files.corpus.hostile import FILES
from tests.files.corpus.hostile.outcomes import OUTCOMES
from tests.files.limited_intake import outcome

LIMITS = replace(Limits(), max_seconds=100)
"""Of CPU, because other tests run at the same time."""


def test_each_file_has_an_outcome() -> None:
    assert list(FILES) == list(OUTCOMES)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", FILES)
def test_hostile_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    assert outcome(FILES[name], tmp_path, LIMITS) == OUTCOMES[name]
