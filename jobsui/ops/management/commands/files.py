from typing import Any

from django.core.management.base import CommandParser

from jobsui.jobs.mapping.check_scope import check_scope
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.reports import job_progress, row_results
from jobsui.ops import file_check, output
from jobsui.ops.terminal import Exit, TerminalCommand
from jobsui.text import counted


class Command(TerminalCommand):
    help = "Files before they become jobs. `files check FILE` prints what is wrong with it and sends nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="check")
        check = verbs.add_parser(
            "check",
            help="check every row; exit status 0: no problems, 1: some, 2: could not be checked",
        )
        file_check.add_arguments(check)
        check.add_argument(
            "--json", action="store_true", help="a line of JSON for each problem"
        )

    def act(self, options: dict[str, Any]) -> Exit:
        with file_check.checked(self, options) as job:
            if options["json"]:
                self._put_every_problem(job)
            else:
                self._put_causes(job)
            return Exit.SOME_DID_NOT if job.rows_invalid else Exit.ALL_SUCCEEDED

    def _put_every_problem(self, job: Job) -> None:
        for p in row_results.problems(job):
            self.put_json(
                {
                    "row": p.row,
                    "column": p.column,
                    "value": p.value,
                    "code": p.code,
                    "message": p.message,
                    "fix": p.fix,
                }
            )

    def _put_causes(self, job: Job) -> None:
        self.put(
            f"{counted(job.rows, 'row')}, {counted(job.rows_invalid, 'row')} with problems."
        )
        if not job.rows_invalid:
            self.put(check_scope(job))
        for line in output.causes(job_progress.causes(job, Cause.Phase.CHECK)):
            self.put(line)
