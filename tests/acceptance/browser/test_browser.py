import pytest

from tests.acceptance.conftest import required_browser
from tools import browser


@pytest.fixture
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "found", lambda: "")


@pytest.mark.usefixtures("_no_browser")
def test_without_a_browser_tests_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBSUI_REQUIRE_BROWSER", raising=False)

    with pytest.raises(pytest.skip.Exception):
        required_browser()


@pytest.mark.usefixtures("_no_browser")
def test_without_a_required_browser_tests_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSUI_REQUIRE_BROWSER", "1")

    with pytest.raises(pytest.fail.Exception):
        required_browser()
