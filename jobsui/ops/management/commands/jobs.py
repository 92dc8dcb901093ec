import argparse
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from jobsui.api.v1.job_out import page_path
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action, JobState, Outcome
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.models.job import JobQuerySet
from jobsui.jobs.reports import job_progress, row_results
from jobsui.ops import lookup, output, wait
from jobsui.ops.terminal import Exit, TerminalCommand, could_not

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
MOST = 100_000


class Command(TerminalCommand):
    help = "Jobs: list them, show one, wait for it, cancel it, print what became of its rows."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar="list|show|wait|cancel|results"
        )
        listing = verbs.add_parser("list", help="the launched jobs, newest first")
        listing.add_argument(
            "--state",
            choices=JobState.values,
            metavar="STATE",
            help=", ".join(JobState.values),
        )
        listing.add_argument(
            "--connection", metavar="C", help="name or code of a connection"
        )
        listing.add_argument("--object", metavar="KEY")
        listing.add_argument(
            "--action",
            choices=Action.values,
            metavar="A",
            help=", ".join(Action.values),
        )
        listing.add_argument(
            "--limit", type=_count, default=20, metavar="N", help="20 if not said"
        )
        show = verbs.add_parser("show", help="how a job stands, and what went wrong")
        wait = verbs.add_parser(
            "wait",
            help="follow a job; exit status 0: every row succeeded, 1: some did not",
        )
        cancel = verbs.add_parser(
            "cancel", help="send nothing more of a job; what was sent stays in Zendesk"
        )
        results = verbs.add_parser(
            "results", help="the rows of a job and what became of each, as CSV"
        )
        results.add_argument(
            "--outcome",
            default="",
            choices=Outcome.values,
            metavar="O",
            help="only rows of this outcome",
        )
        results.add_argument(
            "--raw",
            action="store_true",
            help="without the ' before what a spreadsheet would run",
        )
        for verb in (show, wait, cancel, results):
            verb.add_argument(
                "code",
                metavar="CODE",
                help="of the job: all of it, or its first 8 characters",
            )
        for verb in (listing, show, wait):
            verb.add_argument(
                "--json", action="store_true", help="lines of JSON instead of words"
            )

    def act(self, options: dict[str, Any]) -> Exit:
        if options["verb"] == "list":
            return self._list(options)
        job = lookup.job(options["code"])
        match options["verb"]:
            case "show":
                return self._show(job, as_json=options["json"])
            case "wait":
                return wait.wait(self, job, as_json=options["json"])
            case "cancel":
                return self._cancel(job)
        return self._results(job, options)

    def _list(self, options: dict[str, Any]) -> Exit:
        found = _narrowed(options)[: options["limit"]]
        if options["json"]:
            for job in found:
                self.put_json(output.facts(job))
        elif found:
            self.put_table(HEADER, map(_cells, found))
        else:
            self.tell("There are no such jobs.")
        return Exit.ALL_SUCCEEDED

    def _show(self, job: Job, *, as_json: bool) -> Exit:
        found = job_progress.causes(
            job, Cause.Phase.CHECK if job.is_draft else Cause.Phase.SEND
        )
        if as_json:
            self.put_json(
                output.facts(job)
                | {"errors": [output.cause_facts(cause) for cause in found]}
            )
        else:
            for name, value in output.summary(job):
                self.put(f"{name:<10}{value}")
            for line in output.causes(found):
                self.put(line)
        return Exit.ALL_SUCCEEDED

    def _cancel(self, job: Job) -> Exit:
        if job.is_draft:
            raise could_not(
                f"This job is a draft, never launched. Throw it away on its page: {page_path(job)}"
            )
        actions.cancel(job, by=None)
        self.tell("Cancelling. Records already sent stay in Zendesk.")
        return Exit.ALL_SUCCEEDED

    def _results(self, job: Job, options: dict[str, Any]) -> Exit:
        for piece in row_results.results_csv(
            job, outcome=options["outcome"], raw=options["raw"]
        ):
            self.put_bytes(piece)
        return Exit.ALL_SUCCEEDED


def _narrowed(options: dict[str, Any]) -> JobQuerySet:
    """The launched jobs, or those of one state, drafts among them."""
    state = options["state"]
    key = options["object"]
    action = options["action"]
    jobs = lookup.jobs().filter(state=state) if state else lookup.jobs().launched()
    if options["connection"]:
        jobs = jobs.filter(connection=lookup.connection(options["connection"]))
    if key:
        jobs = jobs.filter(object_key=key)
    return jobs.filter(action=action) if action else jobs


def _cells(job: Job) -> tuple[str | int, ...]:
    created = f"{timezone.localtime(job.created_at):%Y-%m-%d %H:%M}"
    return (
        output.short(job),
        created,
        job.state,
        job.action,
        job.object_key,
        job.connection.name,
        job.file.name,
        job.rows,
        job.succeeded,
        job.pending,
    )


def _count(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= MOST):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number between 1 and {MOST:,}."
        )
    return int(text)
