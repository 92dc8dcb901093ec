"""Rules that the facts of a whole column decide. They are suggestions: a person sees them
before they apply."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from jobsui.jobs.mapping.field_targets import api_name, schema_of
from jobsui.jobs.mapping.option_matching import OptionFinder
from jobsui.jobs.mapping.repairs import OF_DATES, REPAIRS, REPAIRS_OF_SIGNS, Repair
from jobsui.jobs.mapping.rules import NO_RULE, Rewriter, Rule, lower, rules_of
from jobsui.jobs.mapping.types import ValueProblem, ValueType, of_field
from jobsui.jobs.mapping.types.checkbox import FALSE, TRUE
from jobsui.jobs.models import ColumnFacts, Job
from jobsui.zendesk.payloads import Field

type DateJudgement = Literal["", "ymd", "dmy", "mdy", "ambiguous", "contradictory"]

TRIMMED = frozenset({"name", "external_id"})
"""Targets for which spaces at the ends are a problem."""
PADDED = frozenset({"text", "regexp", "key"})
"""Types of targets that codes with zeros in front belong to."""
TEXTS = PADDED | {"textarea"}
YES = frozenset(
    [
        *("ja", "oui", "si", "sí", "sim", "da", "tak", "ano", "x", "✓", "✔", "☑"),
        *("wahr", "vrai", "verdadero", "verdadeiro", "vero"),
    ]
)
NO = frozenset(
    [
        *("nein", "non", "não", "nao", "ne", "nie", "✗", "✘", "☐"),
        *("falsch", "faux", "falso"),
    ]
)
SEPARATORS = (";", ",", "|", "/", "\n", "+", "&")
"""Between options. The semicolon and the comma need a rule only for what the parts become."""
MIN_WITH_WIDTH = 0.8
"""Which share of the known codes has the width that the others are padded to."""
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DIGITS = re.compile("[0-9]+")


def suggest(job: Job, mapping: Mapping[str, str]) -> dict[str, Rule]:
    """{target key: rule} for the targets of these columns whose facts decide one. Targets of
    several joined columns get none."""
    schema = schema_of(job)
    chosen = rules_of(job.rules)
    signs: dict[str, set[str]] = {}
    for warning in job.file.warnings:
        signs.setdefault(warning["column"], set()).add(warning["code"])
    found = {}
    for facts in job.file.column_facts.filter(name__in=list(mapping)):
        target = mapping[facts.name]
        key = api_name(target)
        field = schema.field(key) if target != key else None
        if chosen.get(target, NO_RULE).also:
            continue
        rule = rule_for(target, field, facts, signs.get(facts.name, set()))
        if rule != NO_RULE:
            found[target] = rule
    return found


def rule_for(
    target: str, field: Field | None, facts: ColumnFacts, signs: Collection[str]
) -> Rule:
    """The rule of a target for a column with these facts. `field`: None for the ID, external
    ID and name. `signs`: the codes of the file's warnings about the column."""
    members: dict[str, Any] = {}
    kind = field.type if field else "key"
    if repairs := _repairs(kind, signs):
        members["repairs"] = repairs
    if "spaces" in signs and target in TRIMMED:
        members["trim"] = True
    if "short_codes" in signs and target != "id" and kind in PADDED:
        members["pad"] = _width(facts)
    match kind:
        case "date":
            members["date_order"] = _needed_date_order(facts)
        case "checkbox":
            members |= _yes_and_no(facts)
        case "dropdown" if field:
            members["values"] = _values(field, facts.values)
        case "multiselect" if field:
            members |= _lists(field, facts)
    return Rule(**members)


def _repairs(kind: str, signs: Collection[str]) -> tuple[Repair, ...]:
    """Those that put right what the file's warnings name, as far as the field may have it."""
    found = {REPAIRS_OF_SIGNS[sign] for sign in signs if sign in REPAIRS_OF_SIGNS}
    possible: Collection[str] = ()
    if kind == "date":
        possible = OF_DATES
    elif kind in TEXTS:
        possible = REPAIRS.keys() - OF_DATES
    return tuple(each for each in REPAIRS if each in found and each in possible)


def judge_dates(orders: Mapping[str, int]) -> DateJudgement:
    """The order of the dates of a column, of ColumnFacts.date_orders. "ambiguous": a person
    must say it, because no date decides. "contradictory": some dates are only possible with
    the day first, and others only with the month first. "": there are no dates."""
    if orders.get("dmy") and orders.get("mdy"):
        return "contradictory"
    if orders.get("undecided"):
        return "ambiguous"
    if orders.get("dmy"):
        return "dmy"
    if orders.get("mdy"):
        return "mdy"
    if orders.get("either"):
        return "ambiguous"
    return "ymd" if orders.get("ymd") else ""


def _needed_date_order(facts: ColumnFacts) -> str:
    """ "" also for dates that need no rule."""
    order = judge_dates(facts.date_orders)
    if order in {"dmy", "mdy"}:
        return order
    texts = [text.strip() for text, _ in facts.values]
    is_iso = all(ISO_DATE.match(text) for text in texts if text)
    return "ymd" if order == "ymd" and not is_iso else ""


def _width(facts: ColumnFacts) -> int:
    """The width of the codes of a column; 0 when it is not clear."""
    counts = [(len(text), count) for text, count in facts.values]
    total = sum(count for _, count in counts)
    usual = sum(count for length, count in counts if length == facts.longest)
    is_clear = usual >= total * MIN_WITH_WIDTH
    return facts.longest if is_clear else 0


def _yes_and_no(facts: ColumnFacts) -> dict[str, tuple[str, ...]]:
    """The words of a column that the field itself does not know, if all are known here."""
    words = {lower(text.strip()) for text, _ in facts.values} - {""}
    unknown = words - TRUE - FALSE
    are_all_counted = facts.distinct is not None and facts.distinct <= len(facts.values)
    if not are_all_counted or unknown - YES - NO:
        return {}
    return {"yes": tuple(sorted(unknown & YES)), "no": tuple(sorted(unknown & NO))}


def _values(field: Field, counts: Iterable[tuple[str, int]]) -> dict[str, str]:
    """{text: tag} for the texts that are an option but for accents, spaces and
    punctuation."""
    finder = OptionFinder(field)
    own = of_field(field)
    found = {}
    for text, _ in counts:
        tag = finder.find(text)
        if tag and _value(own, text) is None:
            found[text.strip()] = tag
    return found


def _lists(field: Field, facts: ColumnFacts) -> dict[str, Any]:
    """The separator of the lists of a column, and what their parts become: those that make
    the most texts readable, and leave all others what they are."""
    texts = [text for text, _ in facts.values]
    own = of_field(field)
    before = {text: _value(own, text) for text in texts}
    best: dict[str, Any] = {"values": _values(field, facts.values)}
    most = len(best["values"])
    for separator in SEPARATORS:
        unread = [text for text in texts if before[text] is None]
        parts = {part.strip() for text in unread for part in text.split(separator)}
        values = _values(field, [(part, 1) for part in sorted(parts)])
        members: dict[str, Any] = {"separator": separator, "values": values}
        rewriter = Rewriter(Rule(**members))
        after = {text: _value(own, rewriter.rewrite(text)) for text in texts}
        are_others_same = all(
            after[text] == value for text, value in before.items() if value is not None
        )
        fixed = sum(after[text] is not None for text in unread)
        if are_others_same and fixed > most:
            best = members
            most = fixed
    return best


def _value(own: ValueType, text: str) -> Any:
    """None for a text that the field's type cannot read."""
    if not text.strip():
        return ""
    try:
        return own.parse(text)
    except ValueProblem:
        return None
