"""What a question is, and what its answer is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Where the assumption comes from (docs/zendesk.md)."""

    OFFICIAL = "official"
    SEEN = "seen"
    ASSUMED = "assumed"
    OPEN = "open"
    """No source: what Jobs UI expects is a guess, and it works both ways if it can."""


class Verdict(StrEnum):
    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    NOT_ASKED = "could not be asked"


class CannotAsk(Exception):
    """The question has no answer in this run. `str()` of it says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    holds: bool
    observed: str
    """Made of our own words, numbers, and texts that `wording.reduced` returned."""


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    text: str
    assumed: str
    source: Source
    request: str
    """Method and path, with {object} and {id} for what differs."""
    depends: str
    """What Jobs UI does with it, and what to do if it does not hold."""
    matters: bool = False
    """Whether rows or people notice it if it does not hold."""


@dataclass(frozen=True, slots=True)
class Probe[S]:
    """A question and the function that asks it. S is what the function needs: the
    account, or records on a scratch object."""

    question: Question
    ask: Callable[[S], Finding]


@dataclass(frozen=True, slots=True)
class Answer:
    question: Question
    verdict: Verdict
    observed: str
    """Why, when it could not be asked."""


def asks[S](
    question_id: str,
    text: str,
    *,
    assumed: str,
    source: Source,
    request: str,
    depends: str,
    matters: bool = False,
) -> Callable[[Callable[[S], Finding]], Probe[S]]:
    """Turns a function into the probe for this question."""
    question = Question(question_id, text, assumed, source, request, depends, matters)

    def as_probe(ask: Callable[[S], Finding]) -> Probe[S]:
        return Probe(question, ask)

    return as_probe


def answer[S](probe: Probe[S], subject: S) -> Answer:
    """Ask the question. Raises ZendeskError when no question can be asked."""
    try:
        finding = probe.ask(subject)
    except CannotAsk as reason:
        return Answer(probe.question, Verdict.NOT_ASKED, str(reason))
    verdict = Verdict.HOLDS if finding.holds else Verdict.DOES_NOT_HOLD
    return Answer(probe.question, verdict, finding.observed)
