"""Waits for a job on the command line."""

import time
from time import sleep

from django.db import OperationalError, close_old_connections

from jobsui.api.v1.job_out import page_path
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job
from jobsui.jobs.reports import job_progress
from jobsui.ops import lookup, output
from jobsui.ops.terminal import Exit, ProgressBar, TerminalCommand, command_error

POLL_SECONDS = 0.5
JSON_INTERVAL = 5
"""Seconds between two lines of JSON while the state stays the same."""
DATABASE_TIMEOUT = 120
"""Seconds the database may be unavailable while a command waits."""


def wait(command: TerminalCommand, job: Job, *, as_json: bool) -> Exit:
    """Wait until the job is over or needs a person, then write its result. Raises
    CommandError for a draft that does not launch by itself."""
    try:
        job = _wait_until_at_rest(command, job, as_json=as_json)
    except KeyboardInterrupt:
        code = output.short_code(job)
        command.log(
            f"The job continues. Wait again: manage.py jobs wait {code}   "
            f"Cancel it: manage.py jobs cancel {code}"
        )
        return Exit.INTERRUPTED
    if job.is_draft:
        raise command_error(
            f"This job is a draft and was not launched. {job.reason} "
            f"Job page: {page_path(job)}"
        )
    if as_json:
        command.write_json(output.as_json(job))
    else:
        for line in output.result(job):
            command.write(line)
    all_succeeded = job.state == JobState.COMPLETED and job.succeeded == job.rows
    return Exit.ALL_SUCCEEDED if all_succeeded else Exit.SOME_FAILED


def _wait_until_at_rest(command: TerminalCommand, job: Job, *, as_json: bool) -> Job:
    bar = ProgressBar(command.stderr)
    written = None
    try:
        while job.is_in_progress:
            now = (job.state, int(time.monotonic() / JSON_INTERVAL))
            if not as_json:
                bar.show(output.progress(job), job_progress.percent(job))
            elif now != written:
                command.write_json(output.as_json(job))
                written = now
            sleep(POLL_SECONDS)
            job = _reload(job)
    finally:
        bar.clear()
    return job


def _reload(job: Job) -> Job:
    started = time.monotonic()
    while True:
        try:
            return lookup.jobs().get(pk=job.pk)
        except Job.DoesNotExist:
            raise command_error("This draft was discarded.") from None
        except OperationalError:
            if time.monotonic() - started > DATABASE_TIMEOUT:
                raise
            close_old_connections()
            sleep(POLL_SECONDS)
