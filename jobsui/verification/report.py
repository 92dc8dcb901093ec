"""The report of a verification: Markdown for people, with the same facts as JSON at its
end. It names no account, no person and no record."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from jobsui.connections.models import SignIn
from jobsui.text import counted
from jobsui.verification.questions import Answer, Verdict
from jobsui.verification.runner import Verification
from jobsui.verification.wording import reduced

INTRODUCTION = """\
This report shows which assumptions of Jobs UI about Zendesk hold in one account. It
contains no secrets, no names, no IDs and no values: texts of the account are reduced to
common words, and everything else in them is replaced by “…”. You can attach it to an
issue of Jobs UI.
"""
MATTERS = "Assumptions that do not hold here, with consequences"
MATTERS_NOTE = "The last column says what depends on each, and what to do."
WORKS = "Assumptions that do not hold here, without consequences"
HOLDS = "Assumptions that hold here"
NOT_ASKED = "Questions that could not be asked"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report says about the run."""

    started_at: datetime
    sign_in: str
    field_types: Mapping[str, int] | None
    """Of the scratch object: how many fields of each type. None without one."""
    records_left: int
    """Records that are perhaps left on the scratch object."""

    @classmethod
    def of(cls, verification: Verification, started_at: datetime) -> "Facts":
        field_types: dict[str, int] | None = None
        if verification.scratch:
            field_types = {}
            for each in verification.scratch.schema.fields:
                kind = reduced(each.type)
                field_types[kind] = field_types.get(kind, 0) + 1
        sign_in = SignIn(verification.account.connection.sign_in).label
        records_left = len(verification.records_left)
        return cls(started_at, sign_in, field_types, records_left)


def counts(answers: Iterable[Answer]) -> dict[Verdict, int]:
    found = dict.fromkeys(Verdict, 0)
    for each in answers:
        found[each.verdict] += 1
    return found


def summary(answers: list[Answer]) -> str:
    found = counts(answers)
    asked = found[Verdict.HOLDS] + found[Verdict.DOES_NOT_HOLD]
    matter = len(not_holding(answers, matters=True))
    return (
        f"{found[Verdict.HOLDS]} of {counted(asked, 'assumption')} hold, "
        f"{found[Verdict.DOES_NOT_HOLD]} do not ({matter} with consequences). "
        f"{counted(found[Verdict.NOT_ASKED], 'question')} could not be asked."
    )


def not_holding(answers: Iterable[Answer], *, matters: bool) -> list[Answer]:
    return [
        each
        for each in answers
        if each.verdict == Verdict.DOES_NOT_HOLD and each.question.matters == matters
    ]


def markdown(answers: list[Answer], facts: Facts) -> str:
    holding = [each for each in answers if each.verdict == Verdict.HOLDS]
    not_asked = [each for each in answers if each.verdict == Verdict.NOT_ASKED]
    parts = [
        "# Verification of a Zendesk account",
        INTRODUCTION,
        _facts(facts),
        "## Summary",
        summary(answers),
        *_section(MATTERS, not_holding(answers, matters=True), MATTERS_NOTE),
        *_section(WORKS, not_holding(answers, matters=False)),
        *_section(HOLDS, holding),
        *_section(NOT_ASKED, not_asked),
        "## The same as JSON",
        f"```json\n{_json(answers, facts)}\n```",
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _section(title: str, answers: list[Answer], note: str = "") -> list[str]:
    """The parts of a section; none without answers."""
    if not answers:
        return []
    return [f"## {title}", note, _table(answers)]


def _facts(facts: Facts) -> str:
    scratch = "none; only reads"
    if facts.field_types is not None:
        scratch = ", ".join(
            f"{number} {kind}" for kind, number in sorted(facts.field_types.items())
        )
    rows = [
        ("Date", f"{facts.started_at:%Y-%m-%d}"),
        ("Jobs UI", _version()),
        ("Authentication", facts.sign_in),
        ("Fields of the scratch object", scratch),
    ]
    if facts.records_left:
        rows.append(("Records that are perhaps left", str(facts.records_left)))
    return _rows(("", ""), rows)


def _table(answers: list[Answer]) -> str:
    """Of answers with the same verdict."""
    if answers[0].verdict == Verdict.NOT_ASKED:
        rows = [(each.question.text, each.observed) for each in answers]
        return _rows(("Question", "Why"), rows)
    full_rows = [
        (
            f"{each.question.text} (`{each.question.id}`)",
            f"{each.question.assumed} ({each.question.source})",
            each.observed,
            each.question.depends,
        )
        for each in answers
    ]
    header = ("Question", "Assumed (source)", "Observed", "What depends on it")
    return _rows(header, full_rows)


def _rows(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _json(answers: list[Answer], facts: Facts) -> str:
    data = {
        "date": f"{facts.started_at:%Y-%m-%d}",
        "jobs_ui": _version(),
        "authentication": facts.sign_in,
        "field_types": facts.field_types,
        "records_left": facts.records_left,
        "answers": [
            {
                "id": each.question.id,
                "source": each.question.source,
                "request": each.question.request,
                "verdict": each.verdict,
                "matters": each.question.matters,
                "observed": each.observed,
            }
            for each in answers
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=1)


def _version() -> str:
    try:
        text = (settings.BASE_DIR / "pyproject.toml").read_text()
    except OSError:
        return "unknown"
    return str(tomllib.loads(text)["project"]["version"])
