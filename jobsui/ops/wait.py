"""Waiting for a job on the command line."""

import time
from time import sleep

from django.db import OperationalError, close_old_connections

from jobsui.api.v1.job_out import page_path
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job
from jobsui.jobs.reports import job_progress
from jobsui.ops import lookup, output
from jobsui.ops.terminal import Exit, Meter, TerminalCommand, could_not

LOOK_SECONDS = 0.5
JSON_SECONDS = 5
"""Between two lines of JSON, unless the state changes."""
DATABASE_SECONDS = 120
"""How long the database may be away while a job is followed."""


def wait(command: TerminalCommand, job: Job, *, as_json: bool) -> Exit:
    """Follow a job until it is over or needs a person; tell how it stands then. The
    exit status says whether all rows succeeded. Raises CommandError for a draft that is
    not launched by itself."""
    try:
        job = _follow(command, job, as_json=as_json)
    except KeyboardInterrupt:
        name = output.short(job)
        command.tell(
            f"The job goes on. Wait again: manage.py jobs wait {name}   Stop it: manage.py jobs cancel {name}"
        )
        return Exit.INTERRUPTED
    if job.is_draft:
        raise could_not(
            f"This job is a draft, not launched. {job.reason} Its page: {page_path(job)}"
        )
    if as_json:
        command.put_json(output.facts(job))
    else:
        for line in output.ending(job):
            command.put(line)
    everything = job.state == JobState.COMPLETED and job.succeeded == job.rows
    return Exit.ALL_SUCCEEDED if everything else Exit.SOME_DID_NOT


def _follow(command: TerminalCommand, job: Job, *, as_json: bool) -> Job:
    meter = Meter(command.stderr)
    told = None
    try:
        while job.goes_on:
            if not as_json:
                meter.show(output.progress(job), job_progress.percent(job))
            elif told != (now := (job.state, int(time.monotonic() / JSON_SECONDS))):
                command.put_json(output.facts(job))
                told = now
            sleep(LOOK_SECONDS)
            job = _again(job)
    finally:
        meter.clear()
    return job


def _again(job: Job) -> Job:
    """The job as it is now."""
    began = time.monotonic()
    while True:
        try:
            return lookup.jobs().get(pk=job.pk)
        except Job.DoesNotExist:
            raise could_not("This draft was thrown away meanwhile.") from None
        except OperationalError:
            if time.monotonic() - began > DATABASE_SECONDS:
                raise
            close_old_connections()
            sleep(LOOK_SECONDS)
