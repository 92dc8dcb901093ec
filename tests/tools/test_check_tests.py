from pathlib import Path

from tools.check_tests import long_names


def test_check_tests_finds_a_long_name(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(f"def test_{'x' * 64}(): ...\ndef test_{'x' * 65}(): ...\n")

    found = list(long_names([path]))

    assert found == [f"{path}:2: test_{'x' * 65} has 70 characters (at most 69)"]
