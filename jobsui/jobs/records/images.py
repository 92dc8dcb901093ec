"""How the images of a page's records are stored: JSON, compressed.

{index of the row: [record ID, updated_at, updated_by, {name of a value: what it was}]}"""

import json
from collections.abc import Mapping
from dataclasses import astuple

from jobsui.jobs.models.batch import pack, unpack
from jobsui.jobs.records.compare import Image


def packed(images: Mapping[int, Image]) -> bytes:
    if not images:
        return b""
    return pack(
        json.dumps({row: astuple(each) for row, each in images.items()}).encode()
    )


def unpacked(data: bytes | memoryview) -> dict[int, Image]:
    if not data:
        return {}
    return {
        int(row): Image(*values) for row, values in json.loads(unpack(data)).items()
    }
