"""Assumptions are switches: how they are set, and what each value does."""

import pytest
import requests

from jobsui.sandbox.__main__ import parse_arguments
from jobsui.sandbox.assumptions import GRADES, VALUES
from tests.sandbox.conftest import Api
from tools.page_texts import ROOT


def test_every_assumption_is_documented_as_it_is() -> None:
    document = (ROOT / "docs" / "sandbox.md").read_text()
    for name, values in VALUES.items():
        listed = ", ".join(f"`{value}`" for value in values) or "a number, `0`"

        assert f"| `{name}` | {GRADES[name]} | {listed} |" in document


def test_command_line_sets_assumptions() -> None:
    chosen = parse_arguments(["--assume", "read-lag=1.5", "--assume", "trigger=fires"])

    assert chosen.assume == {"read-lag": "1.5", "trigger": "fires"}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("nothing=1", "There is no assumption nothing."),
        ("trigger=sometimes", "trigger can't be 'sometimes'."),
        ("read-lag=soon", "read-lag must be a number that is not negative."),
        ("read-lag=-1", "read-lag must be a number that is not negative."),
    ],
)
def test_unknown_assumption_is_refused(
    word: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments([f"--assume={word}"])

    assert reason in capsys.readouterr().err


def test_assumptions_change_until_the_next_reset(api: Api) -> None:
    api.sandbox.assume(read_lag=2)

    assert api.sandbox.seen("assumptions")["read-lag"] == 2
    api.sandbox.reset()
    assert api.sandbox.seen("assumptions")["read-lag"] == 0


def test_wrong_assumption_changes_none(api: Api) -> None:
    url = f"{api.sandbox.url}/sandbox/assumptions"

    response = requests.post(url, json={"read-lag": 2, "trigger": 1}, timeout=10)

    assert response.status_code == 400
    assert api.sandbox.seen("assumptions")["read-lag"] == 0
