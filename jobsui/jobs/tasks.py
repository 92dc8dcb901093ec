"""What workers are called for. Each takes ids, finds the row, calls one engine
function; twice does no harm."""

from jobsui.jobs.engine import checking, hosting, intake, planning, unattended
from jobsui.jobs.models import File, Job
from jobsui.jobs.queueing import stopping


def read_file(file_id: int) -> None:
    """Find out what an uploaded file is and how many rows it has."""
    if file := File.objects.filter(pk=file_id).first():
        intake.read_file(file, stopping=stopping)


def check_job(job_id: int) -> None:
    """Check every row of a draft."""
    if job := Job.objects.filter(pk=job_id).first():
        checking.check(job, stopping=stopping)


def advance_job(job_id: int) -> None:
    """Take the next step of a draft that goes on by itself."""
    if job := Job.objects.filter(pk=job_id).first():
        unattended.advance(job)


def plan_job(job_id: int) -> None:
    """Cut a launched job into batches."""
    if job := Job.objects.filter(pk=job_id).first():
        planning.plan(job, stopping=stopping)


def drive() -> None:
    """Own the accounts that have open work and no driver, and move their jobs on until
    there is none left."""
    hosting.drive_accounts(stopping=stopping)
