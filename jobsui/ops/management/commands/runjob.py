from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser

from jobsui.api.v1.job_out import page_path
from jobsui.jobs import queueing
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Weight
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.reports import job_progress
from jobsui.ops import file_check, lookup, output, wait
from jobsui.ops.terminal import Exit, TerminalCommand, could_not
from jobsui.text import counted


class Command(TerminalCommand):
    help = (
        "Run a job from a file: check every row, launch it, and with --wait follow it. Exit status 0: every row "
        "succeeded (without --wait: it was launched), 1: some did not, 2: it could not be launched, and nothing was "
        "sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        file_check.add_arguments(parser)
        parser.add_argument(
            "--invalid",
            choices=["stop", "skip"],
            default="stop",
            help="rows with problems keep the job from being launched (stop, the default) or are left out (skip)",
        )
        parser.add_argument(
            "--weight",
            choices=[weight.name.lower() for weight in Weight],
            default="normal",
            help="the job's share of the account beside other jobs; normal if not said",
        )
        parser.add_argument(
            "--hold-after-first-batch",
            action="store_true",
            help="only the first batch, until somebody resumes the job on its page",
        )
        parser.add_argument(
            "--user", metavar="USERNAME", help="in whose name it is launched"
        )
        parser.add_argument(
            "--wait", action="store_true", help="until it is over or needs a person"
        )
        parser.add_argument(
            "--json", action="store_true", help="lines of JSON instead of words"
        )

    def act(self, options: dict[str, Any]) -> Exit:
        by = lookup.user(options["user"]) if options["user"] else None
        with file_check.checked(
            self, options, by=by, invalid=options["invalid"]
        ) as draft:
            self._put_problems(draft, as_json=options["json"])
            if draft.rows_invalid and options["invalid"] == "stop":
                bad = counted(draft.rows_invalid, "row")
                raise could_not(
                    f"{bad} with problems, so nothing was sent. Mend the file, or add --invalid skip."
                )
            rules = replace(
                draft.run_settings, weight=Weight[options["weight"].upper()]
            )
            actions.launch(
                draft,
                by=by,
                hold_after_first_batch=options["hold_after_first_batch"],
                run_settings=rules,
            )
        job = lookup.job(str(draft.code))
        if not queueing.is_reachable():
            self.tell(
                "The queue does not answer. The job begins once Jobs UI runs: manage.py up."
            )
        if options["wait"]:
            self.tell(f"Launched {output.short(job)}, {page_path(job)}")
            return wait.wait(self, job, as_json=options["json"])
        if options["json"]:
            self.put_json(output.facts(job))
        else:
            self.put(f"{job.code} {page_path(job)}")
        return Exit.ALL_SUCCEEDED

    def _put_problems(self, job: Job, *, as_json: bool) -> None:
        found = job_progress.causes(job, Cause.Phase.CHECK)
        if as_json:
            for cause in found:
                self.put_json(output.cause_facts(cause))
        else:
            for line in output.causes(found):
                self.tell(line)
