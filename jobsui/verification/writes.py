"""What the questions that write share."""

from dataclasses import dataclass, field

from jobsui.verification.first_job import FirstJob, run_first_job
from jobsui.verification.questions import CannotAsk
from jobsui.verification.scratch import Scratch

JOBS = "POST /api/v2/custom_objects/{object}/jobs"
RECORDS = "GET /api/v2/custom_objects/{object}/records?filter[external_ids]="


@dataclass(slots=True)
class Writes:
    """The scratch object and its first job."""

    scratch: Scratch
    _first: FirstJob | None = None
    _refusal: CannotAsk | None = field(default=None, repr=False)

    @property
    def first(self) -> FirstJob:
        """The first job. It runs when it is first needed. Raises CannotAsk."""
        if self._refusal:
            raise self._refusal
        if self._first is None:
            try:
                self._first = run_first_job(self.scratch)
            except CannotAsk as refusal:
                self._refusal = refusal
                raise
        return self._first
