from pathlib import Path

from tools.check_tests import long_names, missing_names, named_tests


def test_check_tests_finds_a_long_name(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(f"def test_{'x' * 64}(): ...\ndef test_{'x' * 65}(): ...\n")

    found = list(long_names(named_tests([path])))

    assert found == [f"{path}:2: test_{'x' * 65} has 70 characters (at most 69)"]


def test_check_tests_finds_a_missing_test() -> None:
    text = "| `test_there` | `test_th…[a]` | `test_gone` | `test_go…` | `…[b]` |"

    found = list(missing_names(text, {"test_there"}))

    assert found == [
        "faults.md: there is no test_gone",
        "faults.md: there is no test_go…",
    ]
