"""The streams of a compound file (OLE 2), in which old Office programs keep documents."""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from jobsui.files.errors import FileRefused

MAX_BYTES = 256 * 1024**2
"""A sheet has 65,536 rows at most."""
DAMAGED = "The workbook is damaged. Open it in a spreadsheet program and save it again."
END = 0xFFFFFFF0
"""Sector numbers from here on are marks."""
ENTRY_BYTES = 128
ROOT = 5
SPARE_SECTORS = 16
MAX_SECTOR_SHIFT = 12


class CompoundFile:
    def __init__(self, stream: BinaryIO) -> None:
        """Raises FileRefused."""
        stream.seek(0)
        self._data = stream.read(MAX_BYTES + 1)
        if len(self._data) > MAX_BYTES:
            raise FileRefused(
                f"The workbook is larger than {MAX_BYTES >> 20} MB. Save the sheet as CSV."
            )
        try:
            self._read_header()
        except (struct.error, IndexError):
            raise FileRefused(DAMAGED) from None

    def names(self) -> set[str]:
        return set(self._entries)

    def content(self, name: str) -> bytes:
        """A stream's bytes. Raises FileRefused."""
        start, size = self._entries[name]
        try:
            if size < self._mini_cutoff:
                return self._mini_content(start)[:size]
            return b"".join(self._sectors(start))[:size]
        except (struct.error, IndexError):
            raise FileRefused(DAMAGED) from None

    def _read_header(self) -> None:
        data = self._data
        shift, mini_shift = struct.unpack_from("<HH", data, 30)
        if not 7 <= shift <= MAX_SECTOR_SHIFT or mini_shift >= shift:
            raise FileRefused(DAMAGED)
        self._sector_bytes = 1 << shift
        self._mini_bytes = 1 << mini_shift
        directory, _, self._mini_cutoff, mini_table = struct.unpack_from(
            "<IIII", data, 48
        )
        self._table: tuple[int, ...] = ()
        # A table of more sectors than the file has could fill the memory.
        sectors = len(data) // self._sector_bytes
        most = 4 * sectors // (self._sector_bytes // 4) + SPARE_SECTORS
        numbers = islice(self._table_sectors(), most)
        table = b"".join(map(self._sector, numbers))
        self._table = struct.unpack(f"<{len(table) // 4}I", table)
        minis = b"".join(self._sectors(mini_table)) if mini_table < END else b""
        self._mini_table = struct.unpack(f"<{len(minis) // 4}I", minis)
        self._mini_start = END
        self._entries = self._directory(b"".join(self._sectors(directory)))

    def _table_sectors(self) -> Iterator[int]:
        """The sectors of the allocation table."""
        more, count = struct.unpack_from("<II", self._data, 68)
        first = struct.unpack_from("<109I", self._data, 76)
        yield from (sector for sector in first if sector < END)
        for _ in range(min(count, len(self._data) // self._sector_bytes)):
            numbers = self._sector(more)
            *sectors, more = struct.unpack(f"<{len(numbers) // 4}I", numbers)
            yield from (sector for sector in sectors if sector < END)

    def _sector(self, number: int) -> bytes:
        start = (number + 1) * self._sector_bytes
        sector = self._data[start : start + self._sector_bytes]
        if not sector:
            raise IndexError
        return sector.ljust(self._sector_bytes, b"\0")

    def _chain(self, start: int, table: tuple[int, ...]) -> Iterator[int]:
        """Raises FileRefused for a chain that goes in circles."""
        number = start
        for _ in range(len(table) + 1):
            if number >= END:
                return
            yield number
            number = table[number]
        raise FileRefused(DAMAGED)

    def _sectors(self, start: int) -> Iterator[bytes]:
        return map(self._sector, self._chain(start, self._table))

    def _mini_content(self, start: int) -> bytes:
        whole = b"".join(self._sectors(self._mini_start))
        size = self._mini_bytes
        numbers = self._chain(start, self._mini_table)
        return b"".join(
            whole[number * size : (number + 1) * size] for number in numbers
        )

    def _directory(self, data: bytes) -> dict[str, tuple[int, int]]:
        """{name: (first sector, size)}"""
        entries = {}
        for start in range(0, len(data), ENTRY_BYTES):
            length, kind = struct.unpack_from("<HB", data, start + 64)
            sector, size = struct.unpack_from("<II", data, start + 116)
            name = data[start : start + max(0, min(length, 64) - 2)]
            if kind == ROOT:
                self._mini_start = sector
            elif kind:
                entries[name.decode("utf-16-le", "replace")] = sector, size
        return entries
