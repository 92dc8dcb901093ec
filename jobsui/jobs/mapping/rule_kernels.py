"""Rules applied to whole columns: the same as `rules.Rewriter`, by kernels.

Import this module in workers only: pyarrow takes 46 MB."""

from collections.abc import Callable, Sequence
from functools import partial, reduce

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Column
from jobsui.files.kinds import Kind
from jobsui.jobs.mapping.repairs import repaired
from jobsui.jobs.mapping.rules import (
    ERRORS,
    REFERENCED,
    REWRITTEN,
    UNJOINABLE,
    Rule,
    date_pattern,
    listed,
    lower,
    upper,
)

REWRITTEN_KINDS = pa.array(sorted(REWRITTEN), pa.int8())
ERROR_TEXTS = pa.array(sorted(ERRORS), pa.string())


def joined(columns: Sequence[Column], rule: Rule) -> Column:
    """The mapped column and those joined behind it, as one."""
    is_part = [_is_part(column) for column in columns]
    parts = [
        pc.if_else(is_own, _with_joiner(column.texts, rule), "")
        for column, is_own in zip(columns, is_part, strict=True)
    ]
    joined_texts = pc.binary_join_element_wise(*parts, "")
    joined_texts = pc.utf8_slice_codeunits(joined_texts, len(rule.joiner))
    is_filled = reduce(pc.or_, is_part)
    texts = pc.if_else(is_filled, joined_texts, columns[0].texts)
    kinds = pc.if_else(is_filled, pa.scalar(Kind.TEXT, pa.int8()), _kinds(columns[0]))
    own_kinds = [_kinds(column) for column in columns]
    # What is written last stays: the first kind, and of it the first column.
    for kind in reversed(UNJOINABLE):
        for column, own in zip(reversed(columns), reversed(own_kinds), strict=True):
            is_this = pc.equal(own, kind)
            texts = pc.if_else(is_this, column.texts, texts)
            kinds = pc.if_else(is_this, pa.scalar(kind, pa.int8()), kinds)
    return Column(texts, kinds)


def _is_part(column: Column) -> pa.BooleanArray:
    """Whether each cell has a text to join."""
    texts = column.texts
    is_filled = pc.invert(pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts)))
    if column.kinds is None:
        return is_filled
    return pc.and_(is_filled, pc.is_in(column.kinds, REWRITTEN_KINDS))


def _with_joiner(texts: pa.StringArray, rule: Rule) -> pa.StringArray:
    """Each text behind the joiner."""
    if rule.trim:
        texts = pc.utf8_trim_whitespace(texts)
    return pc.binary_join_element_wise(rule.joiner, texts, "")


def _kinds(column: Column) -> pa.Int8Array:
    """ERROR also for texts that are errors of formulas."""
    kinds = column.kinds
    if kinds is None:
        kinds = pa.repeat(pa.scalar(Kind.TEXT, pa.int8()), len(column.texts))
    is_error = pc.is_in(pc.utf8_trim_whitespace(column.texts), ERROR_TEXTS)
    return pc.if_else(is_error, pa.scalar(Kind.ERROR, pa.int8()), kinds)


def rewritten(column: Column, rule: Rule) -> Column:
    texts = _rewritten(column.texts, rule)
    if column.kinds is not None:
        is_kept = pc.invert(pc.is_in(column.kinds, REWRITTEN_KINDS))
        texts = pc.if_else(is_kept, column.texts, texts)
    return Column(texts, column.kinds)


def _rewritten(texts: pa.StringArray, rule: Rule) -> pa.StringArray:
    if rule.repairs:
        texts = _changed_each(texts, partial(repaired, repairs=rule.repairs))
    if rule.trim:
        texts = pc.utf8_trim_whitespace(texts)
    is_done = pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts))
    done = (
        pc.if_else(is_done, rule.blank_value, texts) if rule.blank == "set" else texts
    )
    trimmed = pc.utf8_trim_whitespace(texts)
    for keys, table in ((trimmed, rule.table), (_cased(trimmed, lower), rule.words)):
        if table:
            found = _looked_up(keys, table)
            is_found = pc.and_not(found.is_valid(), is_done)
            done = pc.if_else(is_found, found, done)
            is_done = pc.or_(is_done, is_found)
    return pc.if_else(is_done, done, _respelled(texts, rule))


def _respelled(texts: pa.StringArray, rule: Rule) -> pa.StringArray:
    if rule.separator:
        return _changed_each(
            texts, partial(listed, separator=rule.separator, table=rule.table)
        )
    if rule.case:
        texts = _cased(texts, upper if rule.case == "upper" else lower)
    if rule.pad:
        is_digits = pc.match_substring_regex(texts, r"\A[0-9]+\z")
        texts = pc.if_else(is_digits, pc.utf8_lpad(texts, rule.pad, "0"), texts)
    if rule.date_order:
        texts = _dates(texts, date_pattern(rule))
    if rule.reference:
        texts = _referenced(pc.utf8_trim_whitespace(texts), rule.reference)
    return texts


def _looked_up(keys: pa.StringArray, table: dict[str, str]) -> pa.StringArray:
    """The value of each key; null where the table has none."""
    found = pc.index_in(keys, pa.array(list(table), pa.string()))
    return pa.array(list(table.values()), pa.string()).take(found)


def _cased(texts: pa.StringArray, change: Callable[[str], str]) -> pa.StringArray:
    """Arrow has a newer Unicode than Python, so only ASCII is left to it."""
    kernel = pc.ascii_upper if change is upper else pc.ascii_lower
    is_other = pc.invert(pc.string_is_ascii(texts))
    changed = kernel(texts)
    if not is_other.true_count:
        return changed
    others = _changed_each(texts.filter(is_other), change)
    return pc.replace_with_mask(changed, is_other, others)


def _changed_each(
    texts: pa.StringArray, change: Callable[[str], str]
) -> pa.StringArray:
    """Texts repeat, so each is changed once."""
    encoded = texts.dictionary_encode()
    changed = [change(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(encoded.indices)


def _referenced(texts: pa.StringArray, reference: str) -> pa.StringArray:
    is_kept = pc.or_(
        pc.match_substring_regex(texts, rf"\A{REFERENCED.pattern}"),
        pc.is_in(texts, ERROR_TEXTS),
    )
    references = pc.binary_join_element_wise(f"{reference}:", texts, "")
    return pc.if_else(is_kept, texts, references)


def _dates(texts: pa.StringArray, pattern: str) -> pa.StringArray:
    """Dates of this pattern as year-month-day."""
    trimmed = pc.utf8_trim_whitespace(texts)
    parts = pc.extract_regex(trimmed, rf"\A{pattern}\z")
    year = pc.struct_field(parts, "y")
    month = pc.utf8_lpad(pc.struct_field(parts, "m"), 2, "0")
    day = pc.utf8_lpad(pc.struct_field(parts, "d"), 2, "0")
    dates = pc.binary_join_element_wise(year, month, day, "-")
    return pc.if_else(parts.is_valid(), dates, texts)
