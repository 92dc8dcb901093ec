from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser

from jobsui.api.v1.job_out import page_path
from jobsui.jobs import queueing
from jobsui.jobs.control import account_match, automation, drafts
from jobsui.jobs.enums import Weight
from jobsui.jobs.models import Cause, Job, RecordRead
from jobsui.jobs.reports import job_details
from jobsui.ops import (
    comparison,
    comparison_options,
    file_check,
    lookup,
    match_options,
    output,
    wait,
)
from jobsui.ops.terminal import Exit, TerminalCommand, command_error
from jobsui.text import counted


class Command(TerminalCommand):
    help = (
        "Run a job from a file: check every row and launch the job. "
        "Exit status 0: every row succeeded (without --wait: the job was launched), "
        "1: some rows did not succeed, 2: the job was not launched and nothing was sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        file_check.add_arguments(parser)
        parser.add_argument(
            "--invalid",
            choices=["stop", "skip"],
            default="stop",
            help=(
                "what invalid rows do: stop prevents the launch (the default), "
                "skip launches without them"
            ),
        )
        parser.add_argument(
            "--warnings",
            choices=["send", "skip", "stop"],
            default="send",
            help=(
                "what valid rows do that Zendesk may refuse: send them (the default), "
                "skip them, or stop, which prevents the launch"
            ),
        )
        comparison_options.add_arguments(parser)
        parser.add_argument(
            "--priority",
            choices=[weight.name.lower() for weight in Weight],
            default="normal",
            help="share of the account while other jobs run; normal by default",
        )
        parser.add_argument(
            "--hold-after-first-batch",
            action="store_true",
            help="send the first batch, then pause until the job is resumed",
        )
        parser.add_argument(
            "--user", metavar="USERNAME", help="the user who launches the job"
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="wait until the job is over or needs a person",
        )
        parser.add_argument(
            "--json", action="store_true", help="lines of JSON instead of text"
        )

    def run(self, options: dict[str, Any]) -> Exit:
        job = self._launch(options)
        if earlier := output.waits_for(job):
            self.log(
                f"Rows with the same records wait for jobs launched earlier: {earlier}."
            )
        if not queueing.is_reachable():
            self.log(
                "The queue is not available. "
                "The job starts when Jobs UI runs: manage.py up"
            )
        if job.is_draft:
            self.log(f"Another person has to approve this job. Page: {page_path(job)}")
        if options["wait"]:
            verb = "Waiting for" if job.is_draft else "Launched"
            code = output.short_code(job)
            self.log(f"{verb} {code}. Job page: {page_path(job)}")
            return wait.wait(self, job, as_json=options["json"])
        if options["json"]:
            self.write_json(output.as_json(job))
        else:
            self.write(f"{job.code} {page_path(job)}")
        return Exit.ALL_SUCCEEDED

    def _launch(self, options: dict[str, Any]) -> Job:
        user = lookup.user(options["user"]) if options["user"] else None
        wanted = comparison_options.wanted(options)
        with file_check.checked(
            self,
            options,
            by=user,
            invalid=options["invalid"],
            compare=wanted.compare,
            only_existing=wanted.only_existing,
        ) as draft:
            self._write_problems(draft, as_json=options["json"])
            _require_launchable(draft, options)
            drafts.set_warned_rows(draft, options["warnings"], by=user)
            drafts.set_reads(
                draft,
                keep_undo=options["keep_undo"],
                refuse_changed=options["refuse_changed"],
                by=user,
            )
            if wanted.match:
                account_match.choose(draft, wanted.match, by=user)
            deletions = self._compare(draft, options) if wanted.compare else 0
            weight = Weight[options["priority"].upper()]
            automation.launch_or_ask(
                draft,
                by=user,
                hold_after_first_batch=options["hold_after_first_batch"],
                run_settings=replace(draft.run_settings, weight=weight),
                confirmed_deletions=deletions,
            )
        return lookup.job(str(draft.code))

    def _compare(self, draft: Job, options: dict[str, Any]) -> int:
        """Returns how many records may be deleted because only the account has them."""
        read = comparison.compare(self, draft)
        self._write_comparison(draft, read, as_json=options["json"])
        return match_options.confirmed_deletions(
            self, draft, read, at_most=options["delete_at_most"]
        )

    def _write_comparison(self, job: Job, read: RecordRead, *, as_json: bool) -> None:
        if as_json:
            self.write_json(output.comparison_as_json(job, read))
        else:
            for line in output.comparison(read):
                self.log(line)

    def _write_problems(self, job: Job, *, as_json: bool) -> None:
        causes = job_details.causes(job, Cause.Phase.CHECK)
        if as_json:
            for cause in causes:
                self.write_json(output.cause_as_json(cause))
        else:
            for line in output.causes(causes):
                self.log(line)
        if job.rows_warned:
            self.log(f"Zendesk may refuse {counted(job.rows_warned, 'valid row')}.")
        for line in output.check_warnings_of(job):
            self.log(line)


def _require_launchable(draft: Job, options: dict[str, Any]) -> None:
    """Raises CommandError if rows of a kind were found that stop the launch."""
    if draft.rows_invalid and options["invalid"] == "stop":
        rows = counted(draft.rows_invalid, "row")
        raise command_error(
            f"{rows} with problems, so nothing was sent. "
            "Fix the file, or add --invalid skip."
        )
    if draft.rows_warned and options["warnings"] == "stop":
        rows = counted(draft.rows_warned, "row")
        raise command_error(
            f"Zendesk may refuse {rows}, so nothing was sent. "
            "Fix the file, or choose --warnings send or skip."
        )
