"""The hash of one key, as `key_hashes` computes them for many: for web processes, which do
not import pyarrow."""

import hashlib

WORD_BYTES = 8
FACTORS = (
    0x9E3779B97F4A7C15,
    0xC2B2AE3D27D4EB4F,
    0xD6E8FEB86659FD93,
    0xA0761D6478BD642F,
)
"""One for each word of a short key; odd."""
LAST_FACTOR = 0xFF51AFD7ED558CCD
MAX_SHORT_BYTES = WORD_BYTES * len(FACTORS)
MASK = (1 << 64) - 1


def hash_of(target: str, key: str) -> int:
    """63 bits. The same key of two targets has two hashes."""
    data = key.encode()
    if len(data) > MAX_SHORT_BYTES:
        return int.from_bytes(_digest(f"{target}\x00{key}")) >> 1
    total = int.from_bytes(_digest(target))
    padded = data.ljust(MAX_SHORT_BYTES, b"\x00")
    for index, factor in enumerate(FACTORS):
        word = padded[index * WORD_BYTES : (index + 1) * WORD_BYTES]
        total = (total + _mixed(int.from_bytes(word, "little"), factor)) & MASK
    return _mixed(total, LAST_FACTOR) >> 1


def _mixed(word: int, factor: int) -> int:
    product = (word ^ word >> 32) * factor & MASK
    return product ^ product >> 32


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=WORD_BYTES).digest()
