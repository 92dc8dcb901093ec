from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser

from jobsui.jobs import queueing
from jobsui.jobs.engine import control, reporting
from jobsui.jobs.engine.options import Rules
from jobsui.jobs.enums import Weight
from jobsui.jobs.models import Cause, Job
from jobsui.ops import following, named, preparing, telling
from jobsui.ops.terminal import Exit, TerminalCommand, could_not
from jobsui.words import counted


class Command(TerminalCommand):
    help = (
        "Run a job from a file: check every row, launch it, and with --wait follow it. Exit status 0: every row "
        "succeeded (without --wait: it was launched), 1: some did not, 2: it could not be launched, and nothing was "
        "sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        preparing.add_arguments(parser)
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
            "--canary",
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
        by = named.user(options["user"]) if options["user"] else None
        with preparing.checked(
            self, options, by=by, invalid=options["invalid"]
        ) as draft:
            self._put_problems(draft, as_json=options["json"])
            if draft.rows_invalid and options["invalid"] == "stop":
                bad = counted(draft.rows_invalid, "row")
                raise could_not(
                    f"{bad} with problems, so nothing was sent. Mend the file, or add --invalid skip."
                )
            rules = replace(Rules.of(draft), weight=Weight[options["weight"].upper()])
            control.launch(draft, by=by, canary=options["canary"], rules=rules)
        job = named.job(str(draft.code))
        if not queueing.answers():
            self.tell(
                "The queue does not answer. The job begins once Jobs UI runs: manage.py up."
            )
        if options["wait"]:
            self.tell(f"Launched {telling.short(job)}, {telling.page(job)}")
            return following.wait(self, job, as_json=options["json"])
        if options["json"]:
            self.put_json(telling.facts(job))
        else:
            self.put(f"{job.code} {telling.page(job)}")
        return Exit.ALL_SUCCEEDED

    def _put_problems(self, job: Job, *, as_json: bool) -> None:
        found = reporting.causes(job, Cause.Phase.CHECK)
        if as_json:
            for cause in found:
                self.put_json(telling.cause_facts(cause))
        else:
            for line in telling.causes(found):
                self.tell(line)
