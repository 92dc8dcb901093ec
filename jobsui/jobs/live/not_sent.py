"""Which rows of a comparison a job does not send because of its options, although their records
differ from the file."""

from collections.abc import Mapping

from jobsui.jobs.enums import Outcome, Verdict
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import RowResult

ONLY_IN_FILE = RowResult(
    Outcome.CANCELLED, "", "", "Left alone: the record is only in the file."
)
DIFFERENT = RowResult(
    Outcome.CANCELLED, "", "", "Left alone: the record differs from the file."
)
KEY_NOT_FOUND = RowResult(
    Outcome.FAILED,
    "",
    "NotFound",
    "No record in Zendesk has this key. The row was not sent.",
)


def results_of(options: Options) -> Mapping[Verdict, RowResult]:
    """{verdict: the result of rows that have it}."""
    match = options.match
    results: dict[Verdict, RowResult] = {}
    if match and match.different == "leave":
        results[Verdict.CHANGE] = DIFFERENT
    if options.only_existing:
        results |= dict.fromkeys((Verdict.CREATE, Verdict.UNKNOWN), KEY_NOT_FOUND)
    elif match and match.only_in_file == "leave":
        results |= dict.fromkeys((Verdict.CREATE, Verdict.UNKNOWN), ONLY_IN_FILE)
    return results
