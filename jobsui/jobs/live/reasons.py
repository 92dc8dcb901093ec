"""Why an undo keeps a row as it is, or cannot put it back: sentences that may name a job."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from jobsui.jobs.models import Job
from jobsui.jobs.models.batch import pack, unpack


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence."""

    text: str
    """The whole sentence, or its part before the name of the job."""
    job: str = ""
    """The code of the job that it names; "" if it names none."""
    name: str = ""
    """The name of this job as people know it."""
    rest: str = ""
    """The part of the sentence after the name."""

    def __str__(self) -> str:
        return f"{self.text}{self.name}{self.rest}"


def naming(text: str, job: Job, rest: str) -> Reason:
    name = f"{job.file.name}, launched {job.created_at:%-d %b %Y, %H:%M} UTC"
    return Reason(text, str(job.code), name, rest)


def sentences(reasons: Iterable[Reason]) -> str:
    return " ".join(map(str, reasons))


def packed(reasons: Mapping[int, Sequence[Reason]]) -> bytes:
    """`reasons`: those of the rows of a page, by the index of the row."""
    if not reasons:
        return b""
    stored = {index: [astuple(each) for each in of] for index, of in reasons.items()}
    return pack(json.dumps(stored).encode())


def unpacked(data: bytes | memoryview) -> dict[int, list[Reason]]:
    if not data:
        return {}
    stored = json.loads(unpack(data))
    return {
        int(index): [Reason(*each) for each in found] for index, found in stored.items()
    }
