"""Questions that a verification never asks, each with the reason."""

from jobsui.verification.questions import Answer, Question, Source, Verdict

NO_REQUEST = "none"


def _unasked(
    question_id: str,
    text: str,
    *,
    assumed: str,
    source: Source,
    why: str,
    depends: str,
) -> Answer:
    question = Question(question_id, text, assumed, source, NO_REQUEST, depends)
    return Answer(question, Verdict.NOT_ASKED, why)


UNASKED = (
    _unasked(
        "too-many-jobs",
        "How is a job refused when 30 jobs are queued or running?",
        assumed="With status 429, and counted for the whole account.",
        source=Source.ASSUMED,
        why="it would take all job slots of the account",
        depends="Jobs UI sends again later, whether a Retry-After comes or not.",
    ),
    _unasked(
        "rate-window",
        "Which requests count towards the rate limit, and when is it reset?",
        assumed="A fixed minute; refused requests do not count.",
        source=Source.ASSUMED,
        why="it would use up the requests of the account",
        depends="Jobs UI keeps below the limit and obeys Retry-After.",
    ),
    _unasked(
        "request-size",
        "How large may a request be?",
        assumed="100 records of 32 KB.",
        source=Source.OPEN,
        why="it would take requests of several megabytes",
        depends="A batch that is refused as too large is halved and sent again.",
    ),
    _unasked(
        "length-unit",
        "Are lengths counted in bytes or in characters?",
        assumed="In bytes.",
        source=Source.ASSUMED,
        why="it would take a limit of a text, and none is known",
        depends="The check of a file counts the 32 KB of an item in bytes.",
    ),
    _unasked(
        "interrupted-jobs",
        "What do jobs that were killed or aborted report, and were their items applied?",
        assumed="killed: partly applied. aborted: never processed.",
        source=Source.SEEN,
        why="only Zendesk can interrupt a job",
        depends="Jobs UI reads the records of such batches.",
    ),
    _unasked(
        "temporary-failures",
        "How do items fail that met a deadlock, a conflict or a timeout?",
        assumed="With a message that says so.",
        source=Source.ASSUMED,
        why="it happens only under load",
        depends="Jobs UI sends such items again, up to three times.",
    ),
    _unasked(
        "status-retention",
        "How long can a job status be read?",
        assumed="For a day.",
        source=Source.OFFICIAL,
        why="it would take a day",
        depends="Jobs UI stores each status and reads the records when one is gone.",
    ),
    _unasked(
        "missing-permission",
        "How is a request refused that the role does not permit?",
        assumed="With status 403.",
        source=Source.ASSUMED,
        why="it would take credentials with other permissions",
        depends="Jobs UI pauses the job and shows the message.",
    ),
    _unasked(
        "deleted-object",
        "What happens to queued jobs when their object is deleted?",
        assumed="They fail without results.",
        source=Source.ASSUMED,
        why="it would delete an object",
        depends="Jobs UI pauses the job with the reason.",
    ),
    _unasked(
        "definition-change",
        "Does a changed option or a roll-up move the time of the last update of records?",
        assumed="No.",
        source=Source.OPEN,
        why="it would change the fields of an object",
        depends="The fields of a record decide. A later time alone does not say that a "
        "record was changed.",
    ),
    _unasked(
        "concurrent-reads",
        "May several lists of records be read at the same moment?",
        assumed="Yes.",
        source=Source.ASSUMED,
        why="verify sends one request at a time",
        depends="Requests to one account keep to its rate limit, also when several run at "
        "once.",
    ),
    _unasked(
        "token-refresh",
        "What invalidates a refresh token?",
        assumed="Each use, and the revocation of its access token.",
        source=Source.SEEN,
        why="the connection could lose its token",
        depends="Jobs UI stores each new pair before it uses it.",
    ),
)
