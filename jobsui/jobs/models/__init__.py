"""The tables of files, jobs, their mappings, corrections, approvals, overlaps, batches,
attempts, causes and rows."""

from jobsui.jobs.models.account_facts import AccountFacts
from jobsui.jobs.models.account_listing import AccountListing
from jobsui.jobs.models.api_warning import ApiWarning
from jobsui.jobs.models.approval import Approval, ApprovalRules
from jobsui.jobs.models.batch import Attempt, Batch, BatchBlob, BatchImages
from jobsui.jobs.models.column_facts import ColumnFacts
from jobsui.jobs.models.correction import Correction
from jobsui.jobs.models.correction_upload import CorrectionUpload
from jobsui.jobs.models.file import File
from jobsui.jobs.models.job import Job, JobEvent, Lease
from jobsui.jobs.models.overlap import Overlap, RecordKeys
from jobsui.jobs.models.problem_rows import ProblemRows
from jobsui.jobs.models.record_history import RecordHistory, RecreatedRecord
from jobsui.jobs.models.record_read import (
    ListedName,
    ReadPage,
    ReadPageBlob,
    RecordRead,
)
from jobsui.jobs.models.record_watch import ChangedRecords, RecordWatch
from jobsui.jobs.models.repeated_keys import RepeatedKeys
from jobsui.jobs.models.results import RowResult
from jobsui.jobs.models.row import Cause, RowError
from jobsui.jobs.models.run_settings import RunSettings
from jobsui.jobs.models.saved_mapping import SavedMapping
from jobsui.jobs.models.wait import AccountWait

__all__ = [
    "AccountFacts",
    "AccountListing",
    "AccountWait",
    "ApiWarning",
    "Approval",
    "ApprovalRules",
    "Attempt",
    "Batch",
    "BatchBlob",
    "BatchImages",
    "Cause",
    "ChangedRecords",
    "ColumnFacts",
    "Correction",
    "CorrectionUpload",
    "File",
    "Job",
    "JobEvent",
    "Lease",
    "ListedName",
    "Overlap",
    "ProblemRows",
    "ReadPage",
    "ReadPageBlob",
    "RecordHistory",
    "RecordKeys",
    "RecordRead",
    "RecordWatch",
    "RecreatedRecord",
    "RepeatedKeys",
    "RowError",
    "RowResult",
    "RunSettings",
    "SavedMapping",
]
