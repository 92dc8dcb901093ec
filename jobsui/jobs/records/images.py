"""Stores the images of a page's records as compressed JSON:

{index of the row: [record ID, updated_at, updated_by, {name of a value: old value}]}, with null
in place of the list if there was no record."""

import json
from collections.abc import Mapping

from jobsui.jobs.models.batch import pack, unpack
from jobsui.jobs.records.compare import Image
from jobsui.zendesk.payloads import Json


def packed(images: Mapping[int, Image | None]) -> bytes:
    """`images`: None if there was no record."""
    if not images:
        return b""
    stored = {row: image and as_list(image) for row, image in images.items()}
    return pack(json.dumps(stored).encode())


def as_list(image: Image) -> list[Json]:
    """Its members in their order, as they are stored."""
    return [image.record_id, image.updated_at, image.updated_by, image.old]


def unpacked(data: bytes | memoryview) -> dict[int, Image]:
    """Without rows that had no record."""
    return {row: image for row, image in all_unpacked(data).items() if image}


def all_unpacked(data: bytes | memoryview) -> dict[int, Image | None]:
    """With None for rows that had no record."""
    if not data:
        return {}
    stored = json.loads(unpack(data))
    return {int(row): Image(*found) if found else None for row, found in stored.items()}
