"""What the product refuses, in sentences for people."""

from jobsui.files.errors import FileRefused

__all__ = [
    "ChangedSinceCheck",
    "FileRefused",
    "JobsError",
    "MappingRefused",
    "NotPossibleNow",
    "UnreachableNow",
    "UploadRefused",
]


class JobsError(Exception):
    """`str()` of it is a sentence a person can act on."""


class NotPossibleNow(JobsError):
    """The job's state does not allow what was asked (already launched, already over,
    ...)."""


class UnreachableNow(NotPossibleNow):
    """Zendesk could not be reached at the moment. The action may be possible later."""


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
