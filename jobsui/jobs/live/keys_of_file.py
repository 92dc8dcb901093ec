"""The external IDs of a checked job, as hashes: 8 bytes each."""

from array import array
from bisect import bisect_left

from jobsui.jobs.models import Job, RecordKeys
from jobsui.jobs.preparation.single_hash import hash_of

TARGET = "external_id"


class KeysOfFile:
    """The keys of all rows, including invalid ones. If a key is not found here, it is certainly
    not in the file. If it is found, the chance that it is another key is 2**-63 for each row."""

    def __init__(self, job: Job) -> None:
        self._hashes = array("q")
        parts = job.record_keys.order_by("first", "pk").values_list("pk", flat=True)
        for pk in list(parts):
            self._hashes.extend(RecordKeys.objects.get(pk=pk).hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: str) -> bool:
        wanted = hash_of(TARGET, key)
        place = bisect_left(self._hashes, wanted)
        return place < len(self._hashes) and self._hashes[place] == wanted

    def has_similar(self, key: str) -> bool:
        """Whether the file has the key without spaces around it, or in upper or lower case: some
        accounts may treat these as the same key (assumed)."""
        spellings = {key.strip(), key.lower(), key.upper(), key.strip().lower()}
        return any(spelling in self for spelling in spellings - {key})
