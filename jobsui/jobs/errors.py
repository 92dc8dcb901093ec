"""What the product refuses, in sentences for people."""

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError

from jobsui.files.errors import FileRefused

__all__ = [
    "DATABASE_AWAY",
    "ApprovalNeeded",
    "ChangedSinceCheck",
    "FileRefused",
    "JobsError",
    "MappingRefused",
    "NoRoom",
    "NotPossibleNow",
    "NotPossibleYet",
    "OutdatedRead",
    "UnreachableNow",
    "UploadRefused",
]


DATABASE_AWAY = (OperationalError, InterfaceError)
"""What the database raises while it cannot be used, among other errors."""


class JobsError(Exception):
    """`str()` of it is a sentence a person can act on."""


class NotPossibleNow(JobsError):
    """The job's state does not allow what was asked (already launched, already over,
    ...)."""


class NotPossibleYet(NotPossibleNow):
    """The action may be possible later, although the job stays as it is."""


class UnreachableNow(NotPossibleYet):
    """Zendesk could not be reached at the moment."""


class OutdatedRead(NotPossibleNow):
    """Another job has run since the records were read; read them again."""


class ApprovalNeeded(NotPossibleNow):
    """Another person has to approve the job before its launch."""


class ChangedSinceCheck(JobsError):
    """The file, mapping, options or the object's fields have changed since the check;
    check again."""


class MappingRefused(JobsError):
    """The mapping cannot work; `problems` has one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class UploadRefused(JobsError):
    """Too large, empty, or not a file we read."""


class NoRoom(UploadRefused, SuspiciousOperation):
    """The disk is full, or what the person may store is used up. Django answers it as a
    suspicious operation where it reads a form itself."""
