"""Repairs put right what was damaged before the upload, and leave all other texts alone."""

import pytest

from jobsui.jobs.mapping.repairs import REPAIRS, Repair, repaired


@pytest.mark.parametrize(
    ("repair", "text", "expected"),
    [
        ("garbled", "MÃ¼ller, ZÃ¼rich", "Müller, Zürich"),
        ("garbled", "Müller – Söhne", "Müller – Söhne"),
        ("garbled", "caf\ufffd", "caf\ufffd"),
        ("invisible", "A\u200b-\ufeff1\u00ad", "A-1"),
        ("invisible", "\u200eA-1", "A-1"),
        ("invisible", "שלום \u200fA\u200b", "שלום \u200fA"),
        ("serial_dates", "45000", "2023-03-15"),
        ("serial_dates", " 45000,0 ", "2023-03-15"),
        ("serial_dates", "45000.5", "45000.5"),
        ("serial_dates", "1234", "1234"),
        ("serial_dates", "2024-05-03", "2024-05-03"),
        ("swapped_dates", "2024-05-03", "2024-03-05"),
        ("swapped_dates", "2024-05-03 00:00:00", "2024-03-05 00:00:00"),
        ("swapped_dates", "2024-05-13", "2024-05-13"),
        ("swapped_dates", "13/05/2024", "13/05/2024"),
        ("swapped_dates", "05/03/2024", "05/03/2024"),
        ("composed", "Mu\u0308ller", "Müller"),
        ("quotes", '"0042"', "0042"),
        ("quotes", "„0042", "„0042"),
        ("quotes", "0042", "0042"),
        ("dashes", "AB\u20131\u22122", "AB-1-2"),
        ("grouping", "1,234,567", "1234567"),
        ("grouping", "1.234", "1234"),
        ("grouping", "12\u00a0345", "12345"),
        ("grouping", "1,234.567", "1,234.567"),
        ("grouping", "1234,567", "1234,567"),
        ("point_zero", "42.0", "42"),
        ("point_zero", "42,00", "42"),
        ("point_zero", "42.5", "42.5"),
        ("point_zero", "v1.0", "v1.0"),
        ("leading_zeros", "00042", "42"),
        ("leading_zeros", "000", "0"),
        ("leading_zeros", "A042", "A042"),
    ],
)
def test_repair(repair: Repair, text: str, expected: str) -> None:
    assert repaired(text, [repair]) == expected


def test_letters_are_restored_before_invisible_characters_are_removed() -> None:
    # U+00AD is the second byte of "í" in UTF-8.
    garbled = "garcía".encode().decode("latin-1")

    assert repaired(garbled, list(REPAIRS)) == "garcía"


def test_no_repair_changes_nothing() -> None:
    assert repaired("MÃ¼ller\u200b", []) == "MÃ¼ller\u200b"
