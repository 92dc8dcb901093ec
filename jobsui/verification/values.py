"""Questions about values: how they come back, and what empties them."""

import unicodedata
from collections.abc import Mapping

from jobsui.text import counted
from jobsui.verification.first_job import value_of
from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.scratch import SENT_DATE, JobRun, Scratch, sample
from jobsui.verification.wording import date_form, item_error, listed, shape
from jobsui.verification.writes import JOBS, RECORDS, Writes
from jobsui.zendesk.payloads import Field, Json
from jobsui.zendesk.payloads import Verdict as ItemVerdict

READ_BACK = f"{JOBS}, then {RECORDS}"
LONG_TEXT = "jobsui " * 1_500
"""About 10,000 characters: less than the 32 KB of a record."""
SPACED_TEXT = " jobsui verify "
FORMED_TEXT = "jobsui e\u0301\r\nverify"
"""An accent that is a character of its own, and a line end of two."""
BLANKS: dict[str, Json] = {"text": "", "textarea": "", "multiselect": []}
UNKNOWN_OPTION = "jobsui_verify_unknown"
COMPARES = (
    "To confirm rows, Jobs UI compares records with what it sent. It knows numbers as "
    "numbers, texts and objects, so it works with each of them."
)


@asks(
    "sent-values",
    "Is a value of each type accepted in the form that Jobs UI sends?",
    assumed="Yes: an amount as a number, a date as YYYY-MM-DD, options as their tags.",
    source=Source.ASSUMED,
    request=JOBS,
    matters=True,
    depends="If a type is refused, rows with such a column fail. Do not map these columns.",
)
def sent_values(writes: Writes) -> Finding:
    first = writes.first
    if not first.fields:
        raise CannotAsk("the object has no optional field")
    accepted: list[str] = []
    refused: list[str] = []
    for kind in first.fields:
        record = writes.scratch.find(first.external_id(kind))
        (accepted if record else refused).append(kind)
    parts = []
    if accepted:
        parts.append(f"accepted: {listed(accepted)}")
    if refused:
        parts.append(f"refused: {listed(refused)}")
    return Finding(not refused, "; ".join(parts))


@asks(
    "number-shape",
    "How do integers and decimals come back?",
    assumed="As numbers.",
    source=Source.ASSUMED,
    request=READ_BACK,
    depends=COMPARES,
)
def number_shape(writes: Writes) -> Finding:
    shapes = {}
    for kind in ("integer", "decimal"):
        if kind in writes.first.fields:
            shapes[kind] = shape(writes.first.value(kind))
    if not shapes:
        raise CannotAsk("the object has no optional field of type integer or decimal")
    observed = listed(f"{kind}: {form}" for kind, form in shapes.items())
    return Finding(set(shapes.values()) == {"a number"}, observed)


@asks(
    "currency-shape",
    "How do amounts of a currency field come back?",
    assumed="As a number.",
    source=Source.ASSUMED,
    request=READ_BACK,
    depends=COMPARES,
)
def currency_shape(writes: Writes) -> Finding:
    form = shape(writes.first.value("currency"))
    return Finding(form == "a number", form)


@asks(
    "date-shape",
    "How do dates come back?",
    assumed="As YYYY-MM-DD.",
    source=Source.ASSUMED,
    request=READ_BACK,
    depends="Jobs UI ignores a time after the date, so it works both ways.",
)
def date_shape(writes: Writes) -> Finding:
    form = date_form(writes.first.value("date"), SENT_DATE)
    return Finding(form == "YYYY-MM-DD", form)


@asks(
    "unset-checkbox",
    "What does a checkbox hold that was never set?",
    assumed="null.",
    source=Source.ASSUMED,
    request=READ_BACK,
    depends="Jobs UI treats null and false as the same, so it works both ways.",
)
def unset_checkbox(writes: Writes) -> Finding:
    each = writes.scratch.field_of("checkbox")
    value = value_of(writes.first.record("plain"), each)
    form = "false" if value is False else shape(value)
    return Finding(value is None, form)


@asks(
    "null-checkbox",
    "What does a checkbox hold after it was emptied with null?",
    assumed="null.",
    source=Source.OPEN,
    request=READ_BACK,
    depends="To confirm rows, Jobs UI takes an unchecked checkbox as what the account makes "
    "of null. The proof of landing counts it as altered.",
)
def null_checkbox(writes: Writes) -> Finding:
    scratch = writes.scratch
    each = scratch.field_of("checkbox")
    _, external_id = scratch.create("checkbox", {each.key: True})
    record = scratch.record(external_id)
    change = {"id": record["id"], "custom_object_fields": {each.key: None}}
    run = scratch.run("update", [change])
    value = value_of(scratch.record(external_id), each)
    form = str(value).lower() if isinstance(value, bool) else shape(value)
    return Finding(value is None, form if run.succeeded else run.described())


@asks(
    "text-form",
    "Do texts keep their characters and line ends?",
    assumed="Yes.",
    source=Source.OPEN,
    request=READ_BACK,
    depends="A proof of landing counts another form as altered, and remembers it: "
    "comparisons take it as the same from then on.",
)
def text_form(writes: Writes) -> Finding:
    each = writes.scratch.field_of("textarea", "text")
    run, external_id = writes.scratch.create("form", {each.key: FORMED_TEXT})
    if not run.succeeded:
        raise CannotAsk(run.described())
    value = value_of(writes.scratch.record(external_id), each)
    if value == FORMED_TEXT:
        return Finding(True, "kept")
    is_composed = value == unicodedata.normalize("NFC", FORMED_TEXT)
    return Finding(False, "composed" if is_composed else "changed")


@asks(
    "text-spaces",
    "Do texts keep spaces at their ends?",
    assumed="Yes.",
    source=Source.OPEN,
    request=READ_BACK,
    depends="To confirm rows, Jobs UI takes a trimmed text as what the account makes of it. "
    "The proof of landing counts it as altered. A rule of the column can trim it before.",
)
def text_spaces(writes: Writes) -> Finding:
    each = writes.scratch.field_of("text", "textarea")
    run, external_id = writes.scratch.create("spaces", {each.key: SPACED_TEXT})
    if not run.succeeded:
        raise CannotAsk(run.described())
    value = value_of(writes.scratch.record(external_id), each)
    if value == SPACED_TEXT:
        return Finding(True, "kept")
    is_trimmed = value == SPACED_TEXT.strip()
    return Finding(False, "trimmed" if is_trimmed else f"another text ({shape(value)})")


@asks(
    "multiselect-order",
    "In which order do the options of a multiselect come back?",
    assumed="As they were sent.",
    source=Source.OPEN,
    request=READ_BACK,
    depends="Jobs UI compares options as a set, so it works both ways.",
)
def multiselect_order(writes: Writes) -> Finding:
    each = writes.scratch.field_of("multiselect")
    sent = [option.value for option in reversed(each.options)]
    if len(sent) < 2:
        raise CannotAsk("the object's multiselect has fewer than two options")
    run, external_id = writes.scratch.create("options", {each.key: sent})
    if not run.succeeded:
        raise CannotAsk(run.described())
    held = value_of(writes.scratch.record(external_id), each)
    if held == sent:
        return Finding(True, "as sent")
    is_by_definition = held == sent[::-1]
    return Finding(
        False, "as the field lists them" if is_by_definition else shape(held)
    )


@asks(
    "omitted-field",
    "Does an update keep the fields that it does not name?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request=READ_BACK,
    matters=True,
    depends="Only mapped columns are sent. If this does not hold, map every column of the "
    "object before you update records, or values are lost.",
)
def omitted_field(writes: Writes) -> Finding:
    kept, changed = _two_fields(writes.scratch)
    _, external_id = writes.scratch.create("omitted", {kept.key: sample(kept)})
    record = writes.scratch.record(external_id)
    change = {changed.key: sample(changed)}
    run = writes.scratch.run(
        "update", [{"id": record["id"], "custom_object_fields": change}]
    )
    if not run.succeeded:
        raise CannotAsk(run.described())
    value = value_of(writes.scratch.record(external_id), kept)
    is_kept = not is_empty(value)
    return Finding(is_kept, "the field is kept" if is_kept else "the field is emptied")


def _two_fields(scratch: Scratch) -> tuple[Field, Field]:
    fields = list(scratch.typed_fields().values())
    if len(fields) < 2:
        raise CannotAsk("the object has no two optional fields of different types")
    return fields[0], fields[1]


def is_empty(value: Json) -> bool:
    return value in (None, "", [], False)


@asks(
    "null-value",
    "Does null empty a field?",
    assumed="Yes, for every type.",
    source=Source.ASSUMED,
    request=READ_BACK,
    matters=True,
    depends="Blank cells are sent as null when a job is set to empty fields. If this does "
    "not hold for a type, such cells change nothing or fail.",
)
def null_value(writes: Writes) -> Finding:
    fields = writes.scratch.typed_fields()
    return _emptying(writes.scratch, fields, dict.fromkeys(fields))


@asks(
    "blank-value",
    "Does an empty text or an empty list empty a field?",
    assumed="Yes.",
    source=Source.OPEN,
    request=READ_BACK,
    depends="Jobs UI sends null instead. Only programs that send items as they are "
    "depend on it.",
)
def blank_value(writes: Writes) -> Finding:
    fields = writes.scratch.typed_fields()
    chosen = {kind: each for kind, each in fields.items() if kind in BLANKS}
    return _emptying(writes.scratch, chosen, BLANKS)


def _emptying(
    scratch: Scratch, fields: dict[str, Field], blanks: Mapping[str, Json]
) -> Finding:
    """Fill a field of each type in a record of its own, then send the blank value of
    the type."""
    items = {
        kind: scratch.item(f"blank-{kind}", {each.key: sample(each)})
        for kind, each in fields.items()
    }
    if not items:
        raise CannotAsk("the object has no optional field")
    scratch.run("create", list(items.values()))
    scratch.settle()
    filled = _held(scratch, fields, items)
    changes = [
        {"id": record["id"], "custom_object_fields": {fields[kind].key: blanks[kind]}}
        for kind, record in filled.items()
        if not is_empty(value_of(record, fields[kind]))
    ]
    if not changes:
        raise CannotAsk("no field could be filled")
    run = scratch.run("update", changes)
    if run.is_refused:
        return Finding(False, run.described())
    scratch.settle()
    kept = [
        kind
        for kind, record in _held(scratch, fields, items).items()
        if not is_empty(value_of(record, fields[kind]))
    ]
    emptied = [kind for kind in filled if kind not in kept]
    return Finding(not kept, _emptied(run, emptied, kept))


def _held(
    scratch: Scratch, fields: dict[str, Field], items: dict[str, dict[str, Json]]
) -> dict[str, dict[str, Json]]:
    """The records that can be read, by type."""
    found = {kind: scratch.find(str(items[kind]["external_id"])) for kind in fields}
    return {kind: record for kind, record in found.items() if record}


def _emptied(run: JobRun, emptied: list[str], kept: list[str]) -> str:
    parts = []
    if emptied:
        parts.append(f"emptied: {listed(emptied)}")
    if kept:
        parts.append(f"kept: {listed(kept)}")
    pairs = zip(run.raw_items, run.items, strict=True)
    failed = [raw for raw, item in pairs if item.verdict == ItemVerdict.FAILED]
    if failed:
        first = item_error(failed[0])
        parts.append(f"{counted(len(failed), 'item')} failed, the first with {first}")
    return "; ".join(parts)


@asks(
    "long-text",
    f"Do text fields take a text of {len(LONG_TEXT):,} characters?",
    assumed="Yes. No limit but the 32 KB of a record is published.",
    source=Source.OPEN,
    request=READ_BACK,
    matters=True,
    depends="The check of a file limits items to 32 KB, but not single texts. If this does "
    "not hold, long texts fail or are cut.",
)
def long_text(writes: Writes) -> Finding:
    fields = writes.scratch.typed_fields()
    observed = []
    is_whole = []
    for kind in ("text", "textarea"):
        if kind not in fields:
            continue
        run, external_id = writes.scratch.create("long", {fields[kind].key: LONG_TEXT})
        if not run.succeeded:
            observed.append(f"{kind}: {run.described()}")
            is_whole.append(False)
            continue
        value = value_of(writes.scratch.record(external_id), fields[kind])
        length = len(value) if isinstance(value, str) else 0
        observed.append(f"{kind}: {length:,} characters were stored")
        is_whole.append(length >= len(LONG_TEXT.strip()))
    if not observed:
        raise CannotAsk("the object has no optional field of type text")
    return Finding(all(is_whole), "; ".join(observed))


@asks(
    "unknown-option",
    "What happens to a dropdown value that is not an option?",
    assumed="The item fails.",
    source=Source.ASSUMED,
    request=READ_BACK,
    matters=True,
    depends="The check of a file refuses such values. If they vanish without an error, "
    "refresh the object before a check when its options may have changed.",
)
def unknown_option(writes: Writes) -> Finding:
    each = writes.scratch.field_of("dropdown")
    return _failing_value(writes.scratch, each, UNKNOWN_OPTION)


@asks(
    "wrong-type",
    "What happens to a value of a wrong type?",
    assumed="The item fails.",
    source=Source.ASSUMED,
    request=READ_BACK,
    depends="The check of a file refuses such values, so this rarely matters.",
)
def wrong_type(writes: Writes) -> Finding:
    each = writes.scratch.field_of("integer", "decimal", "date", "checkbox")
    return _failing_value(writes.scratch, each, "jobsui verify")


def _failing_value(scratch: Scratch, each: Field, value: Json) -> Finding:
    """Whether an item with this value fails; else what became stored."""
    run, external_id = scratch.create("refused", {each.key: value})
    if not run.succeeded:
        return Finding(run.failed, run.described())
    stored = value_of(scratch.record(external_id), each)
    return Finding(False, f"{run.described()}, and the field holds {shape(stored)}")


@asks(
    "pattern-match",
    "May a regular expression match only a part of the text?",
    assumed="Yes.",
    source=Source.OPEN,
    request=READ_BACK,
    depends="The check of a file refuses only values that cannot match in either way, so "
    "it works both ways. If this does not hold, Zendesk refuses a few more values.",
)
def pattern_match(writes: Writes) -> Finding:
    each = writes.scratch.field_of("regexp")
    text = f"jobsui {sample(each)} verify"
    run, _ = writes.scratch.create("pattern", {each.key: text})
    return Finding(run.succeeded, run.described())


PROBES = (
    sent_values,
    number_shape,
    currency_shape,
    date_shape,
    unset_checkbox,
    null_checkbox,
    text_form,
    text_spaces,
    multiselect_order,
    omitted_field,
    null_value,
    blank_value,
    long_text,
    unknown_option,
    wrong_type,
    pattern_match,
)
