"""Blocks of items that a program gave in Zendesk's own form.

Import this module in workers only: pyarrow takes 46 MB."""

from dataclasses import dataclass, field
from itertools import accumulate

import pyarrow as pa

from jobsui.files.cells import Block
from jobsui.jobs.mapping.block_reader import Lines
from jobsui.jobs.mapping.raw_items import ItemReader
from jobsui.jobs.mapping.row_reader import MAX_RECORD_BYTES, Item, Problem


class ItemBlockReader:
    """Reads blocks of one column like the BlockReader."""

    sources = frozenset({0})
    """The columns that are read."""

    def __init__(self, reader: ItemReader) -> None:
        self._reader = reader

    def read(self, block: Block) -> "ReadItems":
        rows = block.numbers.to_pylist()
        lines = block.columns[0].texts.to_pylist()
        results = [
            self._reader.read((row, [line]))
            for row, line in zip(rows, lines, strict=True)
        ]
        items = ReadItems(block.numbers, rows, lines)
        targets: dict[str, list[str | None]] = {}
        for index, result in enumerate(results):
            if not isinstance(result, Item):
                items.problems[index] = result
                continue
            for target, key in result.keys:
                keys = targets.setdefault(target, [None] * len(lines))
                keys[index] = key
        items.keys = {
            target: pa.array(keys, pa.string()) for target, keys in targets.items()
        }
        return items


@dataclass(slots=True)
class ReadItems:
    """The items of a block, as a ReadBlock has them."""

    numbers: pa.Int64Array
    rows: list[int]
    items: list[str]
    problems: dict[int, list[Problem]] = field(default_factory=dict)
    odd: dict[int, list[Problem]] = field(default_factory=dict)
    keys: dict[str, pa.StringArray] = field(default_factory=dict)

    @property
    def largest_item(self) -> int:
        """No item has more bytes."""
        return MAX_RECORD_BYTES

    def lines(self, is_wanted: pa.BooleanArray) -> Lines:
        wanted = is_wanted.to_pylist()
        chosen = [
            f"{line}\n".encode()
            for line, is_chosen in zip(self.items, wanted, strict=True)
            if is_chosen
        ]
        ends = pa.array(accumulate(map(len, chosen), initial=0), pa.int64())
        rows = self.numbers.filter(is_wanted).to_pylist()
        return Lines(rows, memoryview(b"".join(chosen)), ends)
