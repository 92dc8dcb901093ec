"""Rules applied to whole columns: the same as `rules.Rewriter`, by kernels.

Import this module in workers only: pyarrow takes 46 MB."""

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Column
from jobsui.files.date_orders import DATE_ORDERS
from jobsui.jobs.mapping.rules import REWRITTEN, Rule, listed

REWRITTEN_KINDS = pa.array(sorted(REWRITTEN), pa.int8())


def rewritten(column: Column, rule: Rule) -> Column:
    texts = _rewritten(column.texts, rule)
    if column.kinds is not None:
        is_kept = pc.invert(pc.is_in(column.kinds, REWRITTEN_KINDS))
        texts = pc.if_else(is_kept, column.texts, texts)
    return Column(texts, column.kinds)


def _rewritten(texts: pa.StringArray, rule: Rule) -> pa.StringArray:
    if rule.trim:
        texts = pc.utf8_trim_whitespace(texts)
    is_done = pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts))
    done = (
        pc.if_else(is_done, rule.blank_value, texts) if rule.blank == "set" else texts
    )
    trimmed = pc.utf8_trim_whitespace(texts)
    for keys, table in ((trimmed, rule.table), (pc.utf8_lower(trimmed), rule.words)):
        if table:
            found = _looked_up(keys, table)
            is_found = pc.and_not(found.is_valid(), is_done)
            done = pc.if_else(is_found, found, done)
            is_done = pc.or_(is_done, is_found)
    return pc.if_else(is_done, done, _respelled(texts, rule))


def _respelled(texts: pa.StringArray, rule: Rule) -> pa.StringArray:
    if rule.separator:
        return _listed(texts, rule.separator)
    if rule.case == "upper":
        texts = pc.utf8_upper(texts)
    elif rule.case == "lower":
        texts = pc.utf8_lower(texts)
    if rule.pad:
        is_digits = pc.match_substring_regex(texts, r"\A[0-9]+\z")
        texts = pc.if_else(is_digits, pc.utf8_lpad(texts, rule.pad, "0"), texts)
    if rule.date_order:
        texts = _dates(texts, DATE_ORDERS[rule.date_order])
    return texts


def _looked_up(keys: pa.StringArray, table: dict[str, str]) -> pa.StringArray:
    """The value of each key; null where the table has none."""
    found = pc.index_in(keys, pa.array(list(table), pa.string()))
    return pa.array(list(table.values()), pa.string()).take(found)


def _listed(texts: pa.StringArray, separator: str) -> pa.StringArray:
    """Lists repeat, so each text is read once."""
    encoded = texts.dictionary_encode()
    lists = [listed(text, separator) for text in encoded.dictionary.to_pylist()]
    return pa.array(lists, pa.string()).take(encoded.indices)


def _dates(texts: pa.StringArray, order: str) -> pa.StringArray:
    """Dates of this order as year-month-day."""
    trimmed = pc.utf8_trim_whitespace(texts)
    parts = pc.extract_regex(trimmed, rf"\A{order}\z")
    year = pc.struct_field(parts, "y")
    month = pc.utf8_lpad(pc.struct_field(parts, "m"), 2, "0")
    day = pc.utf8_lpad(pc.struct_field(parts, "d"), 2, "0")
    dates = pc.binary_join_element_wise(year, month, day, "-")
    return pc.if_else(parts.is_valid(), dates, texts)
