import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from jobsui.clock import SYSTEM_CLOCK
from jobsui.connections.models import Connection
from jobsui.ops import lookup
from jobsui.ops.terminal import Exit, ProgressBar, TerminalCommand, command_error
from jobsui.text import counted
from jobsui.verification import report
from jobsui.verification.account import Account
from jobsui.verification.questions import Verdict
from jobsui.verification.runner import Verification
from jobsui.verification.scratch import Scratch, ScratchRefused

CONSENT = "yes"
HEADER = ("QUESTION", "VERDICT", "OBSERVED")


class Command(TerminalCommand):
    help = (
        "Ask a Zendesk account which assumptions of Jobs UI hold there, and write a "
        "report without secrets and personal data. Without --scratch it only reads. "
        "Exit status 0: all that could be asked hold, 1: some do not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "connection", metavar="CONNECTION", help="name or code of a connection"
        )
        parser.add_argument(
            "--scratch",
            metavar="OBJECT",
            help=(
                "key of an object on which records may be created and deleted; "
                "asks all questions"
            ),
        )
        parser.add_argument(
            "--yes",
            action="store_true",
            help="do not ask for consent to use the scratch object",
        )
        parser.add_argument(
            "--out",
            type=Path,
            metavar="FILE",
            help="write the report to this file, and a summary to standard output",
        )

    def run(self, options: dict[str, Any]) -> Exit:
        connection = lookup.connection(options["connection"])
        account = Account(connection)
        scratch = None
        if options["scratch"]:
            scratch = self._scratch(account, options["scratch"])
            self._require_consent(connection, scratch, is_given=options["yes"])
        out: Path | None = options["out"]
        if out:
            # A file that cannot be written is reported before anything is asked.
            out.touch()
        verification = Verification(account, scratch)
        started_at = SYSTEM_CLOCK.now()
        status = Exit.ALL_SUCCEEDED
        try:
            with interrupted_by_signals():
                self._ask(verification)
        except KeyboardInterrupt:
            self.log("Interrupted.")
            status = Exit.INTERRUPTED
        finally:
            self._log_left(verification)
        facts = report.Facts.of(verification, started_at)
        self._write_report(verification, facts, out)
        if status == Exit.ALL_SUCCEEDED and _has_failed(verification):
            return Exit.SOME_FAILED
        return status

    def _scratch(self, account: Account, key: str) -> Scratch:
        try:
            return Scratch.on(account, key)
        except ScratchRefused as refusal:
            raise command_error(str(refusal)) from None

    def _require_consent(
        self, connection: Connection, scratch: Scratch, *, is_given: bool
    ) -> None:
        if is_given:
            return
        if not sys.stdin.isatty():
            raise command_error(
                "verify needs your consent to create records. Add --yes, or run it on "
                "a terminal."
            )
        key = scratch.schema.object_key
        kind = "the PRODUCTION account" if connection.production else "the account"
        self.log(
            f"verify will create up to 100 records of {key} in {kind} {connection}, run up "
            "to 100 jobs with them, and delete them at the end. It does not change other "
            "records. Triggers of the object may run for the new records."
        )
        self.stderr.write(f"Type {CONSENT} to continue: ", ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip().lower() != CONSENT:
            raise command_error("Nothing was sent.")

    def _ask(self, verification: Verification) -> None:
        bar = ProgressBar(self.stderr)
        total = verification.count

        def show(question_id: str) -> None:
            done = len(verification.answers)
            bar.show(f"{done} of {total} questions, {question_id}", done * 100 // total)

        try:
            verification.run(show)
        finally:
            bar.clear()

    def _log_left(self, verification: Verification) -> None:
        left = verification.records_left
        if left and verification.scratch:
            self.log(
                f"Could not delete {counted(len(left), 'record')} of "
                f"{verification.scratch.schema.object_key}, or could not check it. "
                "Search for these external IDs in Zendesk and delete what you find: "
                f"{', '.join(left)}"
            )

    def _write_report(
        self, verification: Verification, facts: report.Facts, out: Path | None
    ) -> None:
        answers = verification.all_answers()
        text = report.markdown(answers, facts)
        if out is None:
            self.write(text.rstrip("\n"))
            return
        out.write_text(text, encoding="utf-8")
        asked = [each for each in answers if each.verdict != Verdict.NOT_ASKED]
        rows = [(each.question.id, each.verdict, each.observed) for each in asked]
        self.write_table(HEADER, rows)
        self.write(report.summary(answers))
        self.write(f"Report: {out}")


def _has_failed(verification: Verification) -> bool:
    return report.counts(verification.answers)[Verdict.DOES_NOT_HOLD] > 0


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM ends it like Ctrl-C, so records are deleted then too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
