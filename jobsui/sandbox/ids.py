"""Ids that look like Zendesk's."""

import zlib
from datetime import UTC, datetime
from functools import lru_cache
from random import Random

from jobsui.sandbox.protocol import Json

ADMIN_ID = "26000000000001"
"""The user to whom all credentials belong."""
SYSTEM_ID = "-1"
"""The account itself, as the author of a change."""
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
MASK_40 = (1 << 40) - 1


PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""Encodes two letters at a time, because every record shown needs an id."""


def base32(number: int, length: int) -> str:
    """`length` must be even."""
    shifts = range(5 * length - 10, -1, -10)
    return "".join([PAIRS[number >> shift & 1023] for shift in shifts])


@lru_cache(maxsize=1024)
def time_part(milliseconds: int) -> str:
    return base32(milliseconds, 10)


def record_id(object_number: int, row: int, created: int) -> str:
    """The ULID of a row: milliseconds, the row, then what looks random. It grows with
    the row and is calculated instead of stored."""
    checksum = zlib.crc32(b"%d/%d" % (object_number, row))
    noise = (checksum * 2654435761 + created) & MASK_40
    return time_part(created) + base32(row << 40 | noise, 16)


def row_of(record: str) -> int | None:
    """The row that an id encodes; None when the id has another form. The caller must
    still compare the id with that row's."""
    if len(record) != 26:
        return None
    row = 0
    for letter in record[10:18]:
        digit = VALUES.get(letter)
        if digit is None:
            return None
        row = row * 32 + digit
    return row


def is_ulid(value: Json) -> bool:
    """Whether a value has the form of a record id, in any case."""
    if not isinstance(value, str) or len(value) != 26:
        return False
    return all(letter in VALUES for letter in value.upper())


def job_id(random: Random) -> str:
    return f"V3-{random.getrandbits(128):032x}"


@lru_cache(maxsize=1024)
def timestamp(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
