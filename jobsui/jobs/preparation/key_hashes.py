"""Keys as hashes of 63 bits, which are the same in all processes and on all hosts. Kernels
compute them: one hash a call would take a third of the time of a check.

Workers only: it imports pyarrow."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

WORD_BYTES = 8
FACTORS = [
    pa.scalar(factor, pa.uint64())
    for factor in (
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
    )
]
"""One for each word of a short key; odd."""
LAST_FACTOR = pa.scalar(0xFF51AFD7ED558CCD, pa.uint64())
MAX_SHORT_BYTES = WORD_BYTES * len(FACTORS)
HALF = pa.scalar(32, pa.uint64())
SIGN_BIT = pa.scalar(1, pa.uint64())
"""Databases have no unsigned integers."""


def hashes_of(target: str, keys: pa.StringArray) -> pa.Int64Array:
    """The hash of each key of this target. The same key of two targets has two hashes."""
    longest = pc.max(pc.binary_length(keys)).as_py() or 0
    if longest <= MAX_SHORT_BYTES:
        return _short_hashes(target, keys, longest)
    is_long = pc.greater(pc.binary_length(keys), MAX_SHORT_BYTES)
    short = pc.if_else(is_long, "", keys)
    long = [_long_hash(target, key) for key in keys.filter(is_long).to_pylist()]
    return pc.replace_with_mask(
        _short_hashes(target, short, MAX_SHORT_BYTES),
        is_long,
        pa.array(long, pa.int64()),
    )


def _short_hashes(target: str, keys: pa.StringArray, longest: int) -> pa.Int64Array:
    """The words of each key are mixed, each with a factor of its own, and added up. A word
    of zeros adds nothing, so it does not matter how long the other keys are."""
    total = pa.repeat(pa.scalar(_seed(target), pa.uint64()), len(keys))
    count = -(-longest // WORD_BYTES)
    for word, factor in zip(_words(keys, count), FACTORS, strict=False):
        total = pc.add(total, _mixed(word, factor))
    return pc.shift_right(_mixed(total, LAST_FACTOR), SIGN_BIT).cast(pa.int64())


def _words(keys: pa.StringArray, count: int) -> list[pa.UInt64Array]:
    """The first word of all keys, then the second one. Keys end with zeros."""
    if not count:
        return []
    padded = pc.ascii_rpad(keys, count * WORD_BYTES, "\x00")
    data = padded.buffers()[2]
    flat = pa.Array.from_buffers(pa.uint64(), count * len(keys), [None, data])
    rows = pa.FixedSizeListArray.from_arrays(flat, count)
    return [pc.list_element(rows, index) for index in range(count)]


def _mixed(words: pa.UInt64Array, factor: pa.UInt64Scalar) -> pa.UInt64Array:
    """No two words give the same one, and the one of zeros gives itself."""
    folded = pc.bit_wise_xor(words, pc.shift_right(words, HALF))
    product = pc.multiply(folded, factor)
    return pc.bit_wise_xor(product, pc.shift_right(product, HALF))


def _seed(target: str) -> int:
    return int.from_bytes(_digest(target))


def _long_hash(target: str, key: str) -> int:
    return int.from_bytes(_digest(f"{target}\x00{key}")) >> 1


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=WORD_BYTES).digest()
