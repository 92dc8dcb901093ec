"""How the images of a page's records are stored: JSON, compressed.

{index of the row: [record ID, updated_at, updated_by, {name of a value: what it was}]}, or null
for the row of a record that was not there."""

import json
from collections.abc import Mapping
from dataclasses import astuple

from jobsui.jobs.models.batch import pack, unpack
from jobsui.jobs.records.compare import Image


def packed(images: Mapping[int, Image | None]) -> bytes:
    """`images`: None for a record that was not there."""
    if not images:
        return b""
    stored = {row: image and astuple(image) for row, image in images.items()}
    return pack(json.dumps(stored).encode())


def unpacked(data: bytes | memoryview) -> dict[int, Image]:
    """Of the records that were there."""
    return {row: image for row, image in all_unpacked(data).items() if image}


def all_unpacked(data: bytes | memoryview) -> dict[int, Image | None]:
    """Also of the records that were not there: None."""
    if not data:
        return {}
    stored = json.loads(unpack(data))
    return {int(row): Image(*found) if found else None for row, found in stored.items()}
