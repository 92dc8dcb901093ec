"""Sets of row numbers as bits: a million rows take 128 kB, and far less when stored."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from jobsui.jobs.models.batch import pack, unpack

ROWS_PER_PART = 1 << 20
"""How many row numbers are stored together."""
BITS = 8
BYTES_PER_PART = ROWS_PER_PART // BITS
MASK_OF_PART = (1 << ROWS_PER_PART) - 1


@dataclass(frozen=True, slots=True)
class RowSet:
    bits: int = 0
    """Bit n: whether it has row n."""

    @classmethod
    def of(cls, rows: Collection[int]) -> "RowSet":
        data = bytearray(max(rows, default=-1) // BITS + 1)
        for row in rows:
            data[row // BITS] |= 1 << row % BITS
        return cls(int.from_bytes(data, "little"))

    @classmethod
    def unpacked(cls, parts: Mapping[int, bytes | memoryview]) -> "RowSet":
        data = bytearray(BYTES_PER_PART * (max(parts, default=-1) + 1))
        for part, packed in parts.items():
            found = unpack(packed)
            start = part * BYTES_PER_PART
            data[start : start + len(found)] = found
        return cls(int.from_bytes(data, "little"))

    def packed(self) -> dict[int, bytes]:
        """{part: its bits, compressed} of the parts that have rows."""
        data = self._data
        parts = {}
        for start in range(0, len(data), BYTES_PER_PART):
            bits = data[start : start + BYTES_PER_PART]
            if any(bits):
                parts[start // BYTES_PER_PART] = pack(bits)
        return parts

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __or__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits | other.bits)

    def __and__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits & other.bits)

    def __xor__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits ^ other.bits)

    def __sub__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits & ~other.bits)

    def __iter__(self) -> Iterator[int]:
        """Ascending."""
        return self.after(-1)

    def after(self, row: int) -> Iterator[int]:
        """The rows behind this one, ascending."""
        data = self._data
        first = (row + 1) // BITS
        for place in range(first, len(data)):
            byte = data[place]
            if not byte:
                continue
            for bit in range(BITS):
                number = place * BITS + bit
                if byte >> bit & 1 and number > row:
                    yield number

    def contains(self) -> "Membership":
        """For many questions."""
        return Membership(self._data)

    @property
    def _data(self) -> bytes:
        return self.bits.to_bytes(-(-self.bits.bit_length() // BITS), "little")


@dataclass(frozen=True, slots=True)
class Membership:
    data: bytes

    def __contains__(self, row: int) -> bool:
        place = row // BITS
        return place < len(self.data) and bool(self.data[place] >> row % BITS & 1)


class RowCollector:
    """Collects rows that mostly ascend, in bounded memory: only the part of the last row is
    not compressed."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}
        self._part = 0
        self._bits = bytearray()

    def add(self, row: int) -> None:
        part, bit = divmod(row, ROWS_PER_PART)
        if part != self._part or not self._bits:
            self._open(part)
        self._bits[bit // BITS] |= 1 << bit % BITS

    def add_all(self, rows: RowSet) -> None:
        for part in range(rows.bits.bit_length() // ROWS_PER_PART + 1):
            bits = rows.bits >> part * ROWS_PER_PART & MASK_OF_PART
            if not bits:
                continue
            if part != self._part or not self._bits:
                self._open(part)
            bits |= int.from_bytes(self._bits, "little")
            self._bits[:] = bits.to_bytes(BYTES_PER_PART, "little")

    def packed(self) -> dict[int, bytes]:
        """As `RowSet.packed`."""
        self._close()
        return self._packed

    def _open(self, part: int) -> None:
        self._close()
        self._part = part
        self._bits = bytearray(BYTES_PER_PART)
        if part in self._packed:
            self._bits[:] = unpack(self._packed[part]).ljust(BYTES_PER_PART, b"\0")

    def _close(self) -> None:
        if self._bits:
            self._packed[self._part] = pack(memoryview(self._bits))
            self._bits = bytearray()
