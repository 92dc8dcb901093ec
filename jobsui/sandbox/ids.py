"""Ids that look like Zendesk's."""

import zlib
from datetime import UTC, datetime
from functools import lru_cache
from random import Random

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
MASK_40 = (1 << 40) - 1


PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""Two letters at a time: ids are made for every record shown."""


def base32(number: int, length: int) -> str:
    return "".join(
        [PAIRS[number >> shift & 1023] for shift in range(5 * length - 10, -1, -10)]
    )


@lru_cache(maxsize=1024)
def time_part(milliseconds: int) -> str:
    return base32(milliseconds, 10)


def record_id(object_number: int, row: int, created: int) -> str:
    """The ULID of a row: milliseconds, row, then what looks random. It grows with the
    row and need not be stored."""
    noise = (
        zlib.crc32(b"%d/%d" % (object_number, row)) * 2654435761 + created
    ) & MASK_40
    return time_part(created) + base32(row << 40 | noise, 16)


def row_of(record: str) -> int | None:
    """The row an id speaks of; None when it is no id of ours. The id must still be
    compared with that row's."""
    if len(record) != 26:
        return None
    row = 0
    for letter in record[10:18]:
        digit = VALUES.get(letter)
        if digit is None:
            return None
        row = row * 32 + digit
    return row


def job_id(random: Random) -> str:
    return f"V3-{random.getrandbits(128):032x}"


@lru_cache(maxsize=1024)
def timestamp(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
