import argparse
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from jobsui.api.v1.job_out import page_path
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action, JobState, Outcome
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.models.job import JobQuerySet
from jobsui.jobs.reports import job_details, row_results
from jobsui.ops import lookup, output, wait
from jobsui.ops.terminal import Exit, TerminalCommand, command_error

HEADER = (
    "CODE",
    "CREATED",
    "STATE",
    "ACTION",
    "OBJECT",
    "CONNECTION",
    "FILE",
    "ROWS",
    "SUCCEEDED",
    "PENDING",
)
MAX_LIMIT = 100_000


class Command(TerminalCommand):
    help = "List jobs, show a job, wait for it, cancel it, or print its results."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(
            dest="command", required=True, metavar="list|show|wait|cancel|results"
        )
        listing = commands.add_parser("list", help="list launched jobs, newest first")
        _add_filters(listing)
        show = commands.add_parser("show", help="show a job and its problems")
        waiting = commands.add_parser(
            "wait",
            help=(
                "wait for a job; exit status 0: every row succeeded, 1: some rows did not"
            ),
        )
        cancel = commands.add_parser(
            "cancel",
            help="cancel a job; records that were sent stay in Zendesk",
        )
        results = commands.add_parser(
            "results", help="print the rows of a job with their results, as CSV"
        )
        _add_result_options(results)
        for parser_of_job in (show, waiting, cancel, results):
            parser_of_job.add_argument(
                "code",
                metavar="CODE",
                help="code of the job, or its first 8 characters",
            )
        for parser_with_json in (listing, show, waiting):
            parser_with_json.add_argument(
                "--json", action="store_true", help="lines of JSON instead of text"
            )

    def run(self, options: dict[str, Any]) -> Exit:
        if options["command"] == "list":
            return self._list(options)
        job = lookup.job(options["code"])
        match options["command"]:
            case "show":
                return self._show(job, as_json=options["json"])
            case "wait":
                return wait.wait(self, job, as_json=options["json"])
            case "cancel":
                return self._cancel(job)
        return self._results(job, options)

    def _list(self, options: dict[str, Any]) -> Exit:
        jobs = _filtered(options)[: options["limit"]]
        if options["json"]:
            for job in jobs:
                self.write_json(output.as_json(job))
        elif jobs:
            self.write_table(HEADER, map(_cells, jobs))
        else:
            self.log("No jobs found.")
        return Exit.ALL_SUCCEEDED

    def _show(self, job: Job, *, as_json: bool) -> Exit:
        phase = Cause.Phase.CHECK if job.is_draft else Cause.Phase.SEND
        causes = job_details.causes(job, phase)
        if as_json:
            errors = [output.cause_as_json(cause) for cause in causes]
            self.write_json(output.as_json(job) | {"errors": errors})
            return Exit.ALL_SUCCEEDED
        for label, value in output.summary(job):
            self.write(f"{label:<10}{value}")
        for line in output.file_warnings(job.file):
            self.write(line)
        for line in output.causes(causes):
            self.write(line)
        return Exit.ALL_SUCCEEDED

    def _cancel(self, job: Job) -> Exit:
        if job.is_draft:
            raise command_error(
                "This job is a draft and was not launched. "
                f"Discard it on its page: {page_path(job)}"
            )
        actions.cancel(job, by=None)
        self.log("Cancelling. Records that were sent stay in Zendesk.")
        return Exit.ALL_SUCCEEDED

    def _results(self, job: Job, options: dict[str, Any]) -> Exit:
        chunks = row_results.results_csv(
            job, outcome=options["outcome"], raw=options["raw"]
        )
        for chunk in chunks:
            self.write_bytes(chunk)
        return Exit.ALL_SUCCEEDED


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        choices=JobState.values,
        metavar="STATE",
        help=", ".join(JobState.values),
    )
    parser.add_argument(
        "--connection", metavar="C", help="name or code of a connection"
    )
    parser.add_argument("--object", metavar="KEY", help="key of the custom object")
    parser.add_argument(
        "--action",
        choices=Action.values,
        metavar="A",
        help=", ".join(Action.values),
    )
    parser.add_argument(
        "--limit", type=_limit, default=20, metavar="N", help="20 by default"
    )


def _add_result_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--outcome",
        default="",
        choices=Outcome.values,
        metavar="O",
        help="only rows with this outcome",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="original cell values, with formulas not escaped",
    )


def _filtered(options: dict[str, Any]) -> JobQuerySet:
    """Launched jobs. A state that is given may also be one of drafts."""
    jobs = lookup.jobs()
    if options["state"]:
        jobs = jobs.filter(state=options["state"])
    else:
        jobs = jobs.launched()
    if options["connection"]:
        jobs = jobs.filter(connection=lookup.connection(options["connection"]))
    if options["object"]:
        jobs = jobs.filter(object_key=options["object"])
    if options["action"]:
        jobs = jobs.filter(action=options["action"])
    return jobs


def _cells(job: Job) -> tuple[str | int, ...]:
    created = timezone.localtime(job.created_at)
    return (
        output.short_code(job),
        f"{created:%Y-%m-%d %H:%M}",
        job.state,
        job.action,
        job.object_key,
        job.connection.name,
        job.file.name,
        job.rows,
        job.succeeded,
        job.pending,
    )


def _limit(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= MAX_LIMIT):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number between 1 and {MAX_LIMIT:,}."
        )
    return int(text)
