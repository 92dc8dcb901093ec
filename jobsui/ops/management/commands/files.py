from typing import Any

from django.core.management.base import CommandParser

from jobsui.jobs.mapping.check_scope import check_scope
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.reports import job_details, row_results
from jobsui.ops import file_check, output
from jobsui.ops.terminal import Exit, TerminalCommand
from jobsui.text import counted


class Command(TerminalCommand):
    help = (
        "Check files before you create jobs from them. `files check FILE` prints the "
        "problems and sends nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="check")
        check = commands.add_parser(
            "check",
            help=(
                "check every row; exit status 0: no problems, "
                "1: some rows have problems, 2: could not be checked"
            ),
        )
        file_check.add_arguments(check)
        check.add_argument(
            "--json", action="store_true", help="one line of JSON per problem"
        )

    def run(self, options: dict[str, Any]) -> Exit:
        with file_check.checked(self, options) as job:
            if options["json"]:
                self._write_problems(job)
            else:
                self._write_causes(job)
            return Exit.SOME_FAILED if job.rows_invalid else Exit.ALL_SUCCEEDED

    def _write_problems(self, job: Job) -> None:
        for problem in row_results.problems(job):
            self.write_json(
                {
                    "row": problem.row,
                    "column": problem.column,
                    "value": problem.value,
                    "code": problem.code,
                    "message": problem.message,
                    "fix": problem.fix,
                }
            )

    def _write_causes(self, job: Job) -> None:
        rows = counted(job.rows, "row")
        invalid = counted(job.rows_invalid, "row")
        self.write(f"{rows}, {invalid} with problems.")
        for line in output.causes(job_details.causes(job, Cause.Phase.CHECK)):
            self.write(line)
        if job.rows_warned:
            self.write(f"Zendesk may refuse {counted(job.rows_warned, 'valid row')}.")
        for line in output.check_warnings_of(job):
            self.write(line)
        if not job.rows_invalid:
            self.write(check_scope(job, job_details.account_notices(job)))
