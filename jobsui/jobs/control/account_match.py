"""Makes the account match a file: a comparison that also finds the records that only the
account has, and what a person or program chooses to do with them. Nothing is deleted if the
file may be incomplete, or if more would be deleted than the chosen limits allow."""

from collections.abc import Iterator, Sequence

from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import deletions
from jobsui.jobs.live.deletions import OnlyInAccount
from jobsui.jobs.mapping.options import Match, Options
from jobsui.jobs.models import AccountFacts, AccountListing, Job, RecordRead
from jobsui.text import counted

NOT_POSSIBLE = (
    "Only a job that creates or updates by external ID, with all rows of its file, can make "
    "the account match the file."
)
OPEN_JOBS = (
    "Another job of this object has not ended. Wait for it, or cancel it, before this job "
    "deletes records."
)
LOST_ROWS = frozenset(
    {"merged_rows", "unpaired_quote", "short_rows", "cells_beyond_header"}
)
"""Codes of warnings about a file whose rows may be damaged."""
SHORTER = 2
"""A file is too short if it has fewer rows than the last one divided by this."""


def is_possible(job: Job) -> bool:
    is_upsert = job.action == Action.UPSERT_BY_EXTERNAL_ID
    return is_upsert and not job.parent_rows and not job.file.is_raw_items


def of(job: Job) -> Match | None:
    """What is chosen. None if the job does not make the account match its file, or can no longer
    do so because its target has changed."""
    match = Options.from_json(job.options).match
    return match if match and is_possible(job) else None


def choose(job: Job, match: Match | None, *, by: Actor) -> None:
    """Store the choice. The check stays valid. Raises NotPossibleNow before the check, and for jobs
    that cannot make the account match their file."""
    if match and not is_possible(job):
        raise NotPossibleNow(NOT_POSSIBLE)
    drafts.choose(job, "how the account is made to match", by=by, match=match)


def list_account(read: RecordRead) -> None:
    """Let a new comparison list the records of the account, if that was chosen."""
    if of(read.job) is not None:
        AccountListing.objects.create(read=read)


def is_listed(read: RecordRead) -> bool:
    """Whether a comparison lists the records of the account."""
    return AccountListing.objects.filter(read=read).exists()


def require_safe(job: Job, read: RecordRead) -> None:
    """Raise NotPossibleNow if the job would delete records that it must not delete."""
    if reasons := reasons_against(job, read):
        raise NotPossibleNow(f"No record can be deleted. {' '.join(reasons)}")


def reasons_against(job: Job, read: RecordRead) -> list[str]:
    """Why a job must not delete records that only the account has, as sentences."""
    match = of(job)
    found = deletions.found_by(read)
    if match is None or found is None or not match.deletes or not found.deletable:
        return []
    return [*_about_file(job), *_beyond_limits(match, found)]


def _about_file(job: Job) -> Iterator[str]:
    if job.rows_left_out:
        rows = counted(job.rows_left_out, "row")
        yield f"{rows} of the file {'is' if job.rows_left_out == 1 else 'are'} left out."
    if _is_damaged(job):
        yield "Rows or keys of the file may be damaged: see the warnings of the check."
    if notices := _notices_about_keys(job):
        yield f"The check of the keys has found a problem. {notices[0]}"
    last = _last_file(job)
    rows_of_last = last.rows - last.records_to_delete if last else 0
    if job.rows * SHORTER < rows_of_last:
        yield (
            f"The file has {counted(job.rows, 'row')}, less than half of the {rows_of_last:,} "
            "of the last one."
        )


def _beyond_limits(match: Match, found: OnlyInAccount) -> Iterator[str]:
    number = counted(found.deletable, "record")
    if found.deletable * 100 > match.max_percent * found.listed:
        share = 100 * found.deletable / max(found.listed, 1)
        yield (
            f"{number} of {found.listed:,} would be deleted, {share:.3g} %. The limit is "
            f"{match.max_percent:g} %."
        )
    if found.deletable > match.max_records:
        yield f"{number} would be deleted. The limit is {match.max_records:,}."


def _is_damaged(job: Job) -> bool:
    keys = {column for column, target in job.mapping.items() if target == "external_id"}
    return bool(job.file.odd_rows) or any(
        warning["code"] in LOST_ROWS or warning.get("column") in keys
        for warning in job.file.warnings
    )


def _notices_about_keys(job: Job) -> Sequence[str]:
    facts = AccountFacts.objects.filter(job=job).first()
    notices = facts.notices if facts else []
    return [
        str(notice["message"])
        for notice in notices
        if notice["code"].startswith("keys_")
    ]


def _last_file(job: Job) -> Job | None:
    """The last job that made this object of the account match its file."""
    launched = Job.objects.launched().filter(
        connection=job.connection, object_key=job.object_key, action=job.action
    )
    whole = launched.filter(options__match__only_in_account__isnull=False)
    return whole.exclude(pk=job.pk).order_by("-created_at").first()
