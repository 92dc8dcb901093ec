from itertools import batched, chain

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.jobs.preparation.key_hashes import hashes_of

NEIGHBORS = [
    *(f"A-{number:08}" for number in range(30_000)),
    *(f"{number}" for number in range(30_000)),
    *(f"{number:032}" for number in range(0, 10**12, 10**8)),
    *(f"{number:040}" for number in range(0, 10**8, 10**4)),
    *(f"{left}{right}" for left in "abcdefgh" for right in range(100, 1000)),
    *(f"{first}bcdefg{second}bcdefg{third}" for first in "abcdefghijk"
      for second in "abcdefghijk" for third in "abcdefghijk"),
]  # fmt: skip


def hashes(keys: list[str], target: str = "external_id") -> list[int]:
    found: list[int] = hashes_of(target, pa.array(keys, pa.string())).to_pylist()
    return found


def test_different_keys_have_different_hashes() -> None:
    found = {*hashes(NEIGHBORS), *hashes(NEIGHBORS, "name")}

    assert len(found) == 2 * len(set(NEIGHBORS))
    assert min(found) >= 0


def test_hashes_stay_the_same() -> None:
    """They are stored with a job, and compared with those of later versions."""
    assert hashes(["A-1", "", "Zürich", "x" * 32, "x" * 33]) == [
        8045580874413890853,
        5907125597077708307,
        8738399545402430212,
        3541308391355601489,
        1192080899989096630,
    ]


@settings(max_examples=200, deadline=None)
@given(keys=st.lists(st.text(max_size=40), min_size=1), size=st.integers(1, 5))
def test_hash_depends_on_nothing_but_the_key(keys: list[str], size: int) -> None:
    parts = [hashes(list(part)) for part in batched(keys, size)]

    assert list(chain.from_iterable(parts)) == hashes(keys)
