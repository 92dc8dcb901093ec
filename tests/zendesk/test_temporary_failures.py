from pathlib import Path

import pytest
from django.conf import settings

from jobsui.zendesk.temporary_failures import (
    TEMPORARY_FAILURES,
    TemporaryFailure,
    temporary_failure,
)


@pytest.mark.parametrize("failure", TEMPORARY_FAILURES, ids=lambda each: each.text)
def test_temporary_failures_are_documented(failure: TemporaryFailure) -> None:
    documented = (Path(settings.BASE_DIR) / "docs" / "zendesk.md").read_text()
    slower = "yes" if failure.is_from_load else "no"
    row = f"| `{failure.text}` | {failure.grade} | {failure.evidence} | {slower} |"

    assert row in documented.splitlines()


@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        ("DatabaseDeadlock", "Deadlock found when trying to get lock", "deadlock"),
        ("DatabaseConflict", "The record is being changed.", "databaseconflict"),
        ("RecordInvalid", "External ID has already been taken", None),
    ],
)
def test_temporary_failures_are_recognised_by_their_text(
    code: str, message: str, text: str | None
) -> None:
    failure = temporary_failure(code, message)

    assert (failure.text if failure else None) == text
