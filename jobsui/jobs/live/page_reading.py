"""What the account holds of the rows of one page."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobsui.jobs.enums import Action
from jobsui.jobs.live import keyed_reads
from jobsui.jobs.live.compare import Image, compared, key_of
from jobsui.zendesk.client import Client
from jobsui.zendesk.payloads import Schema


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a job are compared."""

    object_key: str
    action: Action
    schema: Schema


@dataclass(slots=True)
class PageFound:
    """What was found out about the rows of a page."""

    verdicts: bytes
    """A Verdict for each row."""
    record_ids: list[str]
    """Of the record of each row; "" where it has none."""
    images: dict[int, Image] = field(default_factory=dict)
    """By the index of the row in the page."""
    changed: Counter[str] = field(default_factory=Counter)
    """How many values change, by their names."""
    blanks: Counter[str] = field(default_factory=Counter)
    """How many of them become blank."""


def read_page(client: Client, rows: Rows, lines: Sequence[bytes]) -> PageFound:
    """`lines`: the item of each row. Raises the errors of `Client.call`."""
    items = [json.loads(line) for line in lines if line]
    keys = [key_of(item, rows.action) for item in items]
    if not items:
        return PageFound(b"", [])
    found = keyed_reads.read(client, rows.object_key, rows.action.key, keys)
    results = [
        compared(
            item,
            rows.action,
            rows.schema,
            found.records.get(key, ()),
            is_unknown=key in found.unknown,
        )
        for item, key in zip(items, keys, strict=True)
    ]
    page = PageFound(
        verdicts=bytes(result.verdict for result in results),
        record_ids=[result.record_id for result in results],
    )
    for index, result in enumerate(results):
        if result.image is not None:
            page.images[index] = result.image
        page.changed.update(result.changed)
        page.blanks.update(result.blanks)
    return page
