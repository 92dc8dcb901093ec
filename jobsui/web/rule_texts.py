"""What the page of a rule says about the column."""

from collections.abc import Iterator

from jobsui.jobs.mapping.rule_preview import Preview, Subject
from jobsui.jobs.mapping.suggested_rules import judge_dates
from jobsui.text import counted

NUMBERS = frozenset({"integer", "decimal", "currency"})


def judgements(subject: Subject) -> Iterator[str]:
    """What all cells of the column together say about their style."""
    if subject.facts and subject.facts.distinct is not None:
        yield f"{counted(subject.facts.distinct, 'different value')}."
    if subject.target.type == "date" and subject.facts:
        yield from _dates(subject.facts.date_orders)
    if subject.target.type in NUMBERS and subject.column:
        yield from _numbers(subject)


def question(subject: Subject) -> str:
    """What the column leaves open."""
    orders = subject.facts.date_orders if subject.facts else {}
    if subject.target.type == "date" and judge_dates(orders) == "ambiguous":
        return (
            "Dates can be read in two orders, and no other date decides. Choose the right "
            "one."
        )
    if subject.target.type in NUMBERS and subject.decimal_mark == "?":
        return "The numbers do not show which mark is the decimal mark. Choose it."
    return ""


def _dates(orders: dict[str, int]) -> Iterator[str]:
    days_first = counted(orders.get("dmy", 0), "different date")
    months_first = counted(orders.get("mdy", 0), "different date")
    match judge_dates(orders):
        case "dmy":
            yield f"{days_first} can only be day, month, year. No date contradicts."
        case "mdy":
            yield f"{months_first} can only be month, day, year. No date contradicts."
        case "ymd":
            yield "The dates are year, month, day."
        case "contradictory":
            yield (
                f"{days_first} can only be day, month, year, and {months_first} only "
                "month, day, year. Those that do not have the chosen order are problems."
            )
        case "":
            yield "The column has no dates."


def _numbers(subject: Subject) -> Iterator[str]:
    match subject.decimal_mark:
        case ".":
            yield "The numbers of the column have a decimal point."
        case ",":
            yield "The numbers of the column have a decimal comma."


def preview_summary(preview: Preview) -> str:
    """How many of the values have a problem."""
    values = counted(preview.texts, "different value")
    among = values if preview.is_whole else f"{values} that are known"
    if not preview.problems:
        return f"No problem among {among}."
    verb = "has" if preview.problems == 1 else "have"
    return f"{preview.problems:,} of {among} {verb} a problem."
