import json

import pytest

from jobsui.jobs.models import BatchBlob
from jobsui.jobs.models.batch import Unreadable, pack


@pytest.mark.parametrize(
    ("rows", "stored"),
    [
        ([7], b"7-7"),
        (list(range(2, 102)), b"2-101"),
        ([*range(2, 51), *range(52, 103)], b"2-50,52-102"),
        ([2, 4], b"2-2,4-4"),
        ([2, 2**40], b"2-2,1099511627776-1099511627776"),
        ([1, 3, 2, 4], b"1-1,3-3,2-2,4-4"),
    ],
)
def test_row_numbers_come_back(rows: list[int], stored: bytes) -> None:
    packed = BatchBlob.packed(["{}"] * len(rows), rows)
    blob = BatchBlob(**packed)

    assert packed["rows"] == stored
    assert blob.row_numbers == rows
    assert len(blob.open_items) == len(rows)


def test_row_numbers_of_earlier_versions_are_read() -> None:
    rows = [2, 3, 5]
    stored = pack(json.dumps(rows).encode())

    blob = BatchBlob(payload=pack(b"{}\n{}\n{}"), rows=stored)

    assert blob.row_numbers == rows
    assert len(blob.open_items) == 3


@pytest.mark.parametrize(
    "stored", [b"", b"2", b"2-x", b"1-200", b"1-99999999999999999999", b"2-3,", b"\x00"]
)
def test_damaged_row_numbers_are_unreadable(stored: bytes) -> None:
    blob = BatchBlob(payload=pack(b"{}"), rows=stored)

    with pytest.raises(Unreadable):
        _ = blob.row_numbers


@pytest.mark.parametrize("payload", [b'{"a": 1}\n{"b": 2', b'{"a": 1\n"b": 2}'])
def test_damaged_items_are_unreadable(payload: bytes) -> None:
    """Also where two damaged lines together are JSON."""
    blob = BatchBlob(payload=pack(payload), rows=b"2-3")

    with pytest.raises(Unreadable):
        _ = blob.items
