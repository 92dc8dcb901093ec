from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.staticfiles.finders import FileSystemFinder

from jobsui.ops import statics


@pytest.fixture
def collected(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Each time files are collected, which."""
    source = tmp_path / "static"
    source.mkdir()
    (source / "page.css").write_text("a")
    settings.STATIC_ROOT = tmp_path / "root"
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT.mkdir()
    calls: list[str] = []
    monkeypatch.setattr(statics, "call_command", lambda name, **_: calls.append(name))
    monkeypatch.setattr(statics, "get_finders", lambda: [FileSystemFinder()])
    return calls


def test_files_are_collected_once(collected: list[str]) -> None:
    statics.collect()
    statics.collect()

    assert collected == ["collectstatic"]


def test_changed_file_is_collected_again(collected: list[str], tmp_path: Path) -> None:
    statics.collect()
    (tmp_path / "static" / "page.css").write_text("longer")
    statics.collect()

    assert collected == ["collectstatic"] * 2


def test_new_file_is_collected(collected: list[str], tmp_path: Path) -> None:
    statics.collect()
    (tmp_path / "static" / "more.css").write_text("b")
    statics.collect()

    assert collected == ["collectstatic"] * 2


def test_missing_files_are_collected_again(
    collected: list[str], tmp_path: Path
) -> None:
    statics.collect()
    (tmp_path / "root" / ".collected").unlink()
    statics.collect()

    assert collected == ["collectstatic"] * 2
