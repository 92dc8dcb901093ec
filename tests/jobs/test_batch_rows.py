import pytest

from jobsui.jobs.models import BatchBlob


@pytest.mark.parametrize(
    ("rows", "stored"),
    [
        ([7], b"7-7"),
        (list(range(2, 102)), b"2-101"),
        ([2, 4], None),
        ([1, 3, 2, 4], None),
    ],
)
def test_row_numbers_come_back(rows: list[int], stored: bytes | None) -> None:
    packed = BatchBlob.packed(["{}"] * len(rows), rows)
    blob = BatchBlob(**packed)

    assert blob.row_numbers == rows
    assert len(blob.open_items) == len(rows)
    assert stored in (None, packed["rows"])
