"""Workbooks of Excel 97 (BIFF 8 in a compound file), written record by record."""

import struct
from collections.abc import Iterable, Sequence

SECTOR = 512
END_OF_CHAIN = 0xFFFFFFFE
FREE = 0xFFFFFFFF
FAT = 0xFFFFFFFD
MAX_RECORD = 8224
GLOBALS = 0x0005
WORKSHEET = 0x0010

Record = bytes


def record(kind: int, data: bytes = b"") -> Record:
    return struct.pack("<HH", kind, len(data)) + data


def bof(kind: int, version: int = 0x0600) -> Record:
    return record(0x0809, struct.pack("<HHHHII", version, kind, 0, 0, 0, 0))


def wide(text: str) -> bytes:
    """A text with a length of two bytes."""
    data = text.encode("utf-16-le")
    return struct.pack("<HB", len(data) // 2, 1) + data


def number(row: int, column: int, value: float, form: int = 0) -> Record:
    return record(0x0203, struct.pack("<HHHd", row, column, form, value))


def small_number(row: int, column: int, code: int, form: int = 0) -> Record:
    return record(0x027E, struct.pack("<HHHI", row, column, form, code))


def small_numbers(row: int, column: int, codes: Sequence[int]) -> Record:
    middle = b"".join(struct.pack("<HI", 0, code) for code in codes)
    last = column + len(codes) - 1
    return record(
        0x00BD, struct.pack("<HH", row, column) + middle + struct.pack("<H", last)
    )


def shared(row: int, column: int, index: int) -> Record:
    return record(0x00FD, struct.pack("<HHHI", row, column, 0, index))


def label(row: int, column: int, text: str) -> Record:
    return record(0x0204, struct.pack("<HHH", row, column, 0) + wide(text))


def boolean(row: int, column: int, value: int) -> Record:
    return record(0x0205, struct.pack("<HHHBB", row, column, 0, value, 0))


def error(row: int, column: int, code: int) -> Record:
    return record(0x0205, struct.pack("<HHHBB", row, column, 0, code, 1))


def formula(row: int, column: int, result: bytes) -> Record:
    """`result`: its eight bytes."""
    start = struct.pack("<HHH", row, column, 0)
    return record(0x0006, start + result + struct.pack("<HIH", 0, 0, 3) + b"\x1e\1\0")


def text_formula(row: int, column: int, text: str) -> Record:
    result = b"\0\0\0\0\0\0\xff\xff"
    return formula(row, column, result) + record(0x0207, wide(text))


def hidden_row(row: int) -> Record:
    return record(0x0208, struct.pack("<HHHHIHH", row, 0, 1, 255, 0, 0x20, 0))


def hidden_columns(first: int, last: int) -> Record:
    return record(0x007D, struct.pack("<HHHHHH", first, last, 2304, 0, 1, 0))


def merged(*ranges: tuple[int, int, int, int]) -> Record:
    areas = b"".join(struct.pack("<HHHH", *area) for area in ranges)
    return record(0x00E5, struct.pack("<H", len(ranges)) + areas)


def xls(
    *sheets: tuple[str, Iterable[Record]],
    strings: Sequence[str] = (),
    formats: Sequence[str] = (),
    hidden: Sequence[str] = (),
    is_1904: bool = False,
    extra: bytes = b"",
    version: int = 0x0600,
) -> bytes:
    """A workbook of (title, cells). The cell format 0 is general, the format N the Nth of
    `formats`."""
    head = bof(GLOBALS, version) + extra + record(0x0022, struct.pack("<H", is_1904))
    for index, code in enumerate(formats):
        head += record(0x041E, struct.pack("<H", 164 + index) + wide(code))
    for form in [0, *(164 + index for index in range(len(formats)))]:
        head += record(0x00E0, struct.pack("<HH", 0, form) + b"\0" * 16)
    tail = _string_table(strings) + record(0x000A)
    bodies = [
        bof(WORKSHEET, version) + b"".join(cells) + record(0x000A)
        for _, cells in sheets
    ]
    names = [title.encode("utf-16-le") for title, _ in sheets]
    entry_bytes = sum(4 + 8 + len(name) for name in names)
    position = len(head) + entry_bytes + len(tail)
    entries = b""
    for (title, _), name, body in zip(sheets, names, bodies, strict=True):
        state = struct.pack("<IBB", position, title in hidden, 0)
        entries += record(0x0085, state + struct.pack("<BB", len(name) // 2, 1) + name)
        position += len(body)
    return compound("Workbook", head + entries + tail + b"".join(bodies))


def _string_table(strings: Sequence[str]) -> bytes:
    """The shared strings, in records that are cut wherever they are full."""
    parts = [bytearray(struct.pack("<II", len(strings), len(strings)))]
    for text in strings:
        data = text.encode("utf-16-le")
        if len(parts[-1]) + 3 > MAX_RECORD:
            parts.append(bytearray())
        parts[-1] += struct.pack("<HB", len(data) // 2, 1)
        while data:
            room = (MAX_RECORD - len(parts[-1])) // 2 * 2
            parts[-1] += data[:room]
            data = data[room:]
            if data:
                parts.append(bytearray(b"\1"))
    first, *others = parts
    continued = b"".join(record(0x003C, bytes(part)) for part in others)
    return record(0x00FC, bytes(first)) + continued


def compound(name: str, content: bytes) -> bytes:
    """A compound file with one stream."""
    content = content.ljust(4096, b"\0")
    size = -(-len(content) // SECTOR)
    tables = 1
    while tables * SECTOR // 4 < size + 1 + tables:
        tables += 1
    numbers = [*range(1, size), END_OF_CHAIN, END_OF_CHAIN, *[FAT] * tables]
    numbers += [FREE] * (tables * SECTOR // 4 - len(numbers))
    places = [*range(size + 1, size + 1 + tables)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    header += struct.pack(
        "<IIIIIIIII", 0, tables, size, 0, 4096, END_OF_CHAIN, 0, END_OF_CHAIN, 0
    )
    header += struct.pack("<109I", *(places + [FREE] * 109)[:109])
    directory = _entry("Root Entry", 5, END_OF_CHAIN, 0, child=1)
    directory += _entry(name, 2, 0, len(content))
    directory += b"\0" * (SECTOR - len(directory))
    table = struct.pack(f"<{len(numbers)}I", *numbers)
    return header + content.ljust(size * SECTOR, b"\0") + directory + table


def _entry(name: str, kind: int, start: int, size: int, child: int = FREE) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    entry = text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1)
    entry += struct.pack("<III", FREE, FREE, child) + b"\0" * 36
    return entry + struct.pack("<IQ", start, size)
