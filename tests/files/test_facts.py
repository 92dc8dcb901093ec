import io
from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.cells import Block, Column, Kind
from jobsui.files.facts import MAX_KEPT_VALUES, MAX_VALUES, Facts
from jobsui.files.layout import ColumnFacts, Notice
from jobsui.files.number_columns import count_marks
from jobsui.files.number_styles import mark_of
from jobsui.files.staging import Staged, Writer

FILLER = [f"value {number}" for number in range(MAX_VALUES + 1)]
"""So many different texts that cells are no longer counted by text."""


def facts_of(
    name: str,
    cells: list[str],
    kinds: list[Kind] | None = None,
    rows_per_block: int = 700,
) -> Facts:
    """Those of a table with one column, whose rows are numbered from 2."""
    out = io.BytesIO()
    writer = Writer(out)
    facts = Facts([name])
    texts = pa.array(cells, pa.string())
    numbers = pa.arange(2, 2 + len(cells))
    codes = None if kinds is None else pa.array(kinds, pa.int8())
    for start in range(0, len(cells), rows_per_block):
        column = Column(
            texts[start : start + rows_per_block],
            None if codes is None else codes[start : start + rows_per_block],
        )
        block = Block(numbers[start : start + rows_per_block], (column,))
        writer.add(block)
        facts.add(block)
    writer.finish([name])
    facts.finish(Staged(out))
    return facts


def notices_of(
    name: str, cells: list[str], kinds: list[Kind] | None = None
) -> list[Notice]:
    return list(facts_of(name, cells, kinds).notices([name]))


def garbled(text: str, encoding: str) -> str:
    """A text in UTF-8 that was taken for another encoding."""
    return "".join(
        bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode()
    )


DAMAGED = {
    "rounded": [
        "1,23E+12", "4.01234E+12", "4.01234E12", "1e+15", "1.5E+17", "-2,5e+08", " 1E+3",
    ],
    "error_cell": ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NV", "########"],
    "spaces": [" x", "x ", "\tx", "x\n", "\u00a0x", "x\u3000", "   "],
    "garbled": [
        *[garbled(text, "cp1252") for text in ("Grün", "it’s", "Öl", "°C", "привет", "中文")],
        *[garbled(text, "cp1251") for text in ("Привет", "Grün", "№ 5")],
        *[garbled(text, "cp1250") for text in ("über", "Škoda")],
        *[garbled(text, "mac_roman") for text in ("über", "that’s")],
        *[garbled(text, "cp850") for text in ("über", "it’s")],
        "Ko\ufffdln", f"Müller & {garbled('Söhne', 'cp1252')}",
    ],
    "invisible_characters": ["A\u200b1", "\ufeffA1", "A\u00ad1", "A1\u200e", "\u202aA1"],
}  # fmt: skip
CLEAN = [
    "1.2345E+2", "1.5e3", "12E4", "1.5E-7", "E+12", "7e0f1e5a", "Drill #5", "#hashtag", "#NAME",
    "a b", "Zürich", "Ångström", "naïve", "São Tomé", "MAÇÃ", "„Ä“ und „Ö“", "Lyon–Évry",
    "«É»", "Café™®", "Привет", "Сёмга", "ΟΔΟΣ Ωμέγα", "日本語", "שלום\u200f 12", "1,5", "€ 5",
    "Łódź", "Đặng", "Dvořák, Ľuboš", "½ Zoll", "x²", "☃ €", "👩\u200d🚒",
]  # fmt: skip


@pytest.mark.parametrize("others", [["plain"], FILLER], ids=["few", "many"])
@pytest.mark.parametrize(
    ("code", "text"),
    [(code, text) for code, texts in DAMAGED.items() for text in texts],
)
def test_damaged_cell_is_noticed(code: str, text: str, others: list[str]) -> None:
    found = notices_of("name", [*others, text, "", text])
    [notice] = [notice for notice in found if notice.code == code]

    row = len(others) + 2
    assert (notice.code, notice.column, notice.count) == (code, "name", 2)
    assert notice.samples == ((row, text), (row + 2, text))
    assert notice.message.startswith("2 values in name")


@pytest.mark.parametrize("others", [[], FILLER], ids=["few", "many"])
def test_clean_cells_are_not_noticed(others: list[str]) -> None:
    assert notices_of("name", [*others, *CLEAN]) == []


def test_notice_has_twenty_samples() -> None:
    [notice] = notices_of("name", [f"{number} " for number in range(9000)])

    assert notice.count == 9000
    assert notice.samples == tuple((row, f"{row - 2} ") for row in range(2, 22))


def test_characters_that_cannot_be_seen_are_named() -> None:
    [notice] = notices_of("id", ["A\u200b1"])

    assert notice.message == (
        "1 value in id with invisible characters, such as “A[U+200B]1”. They make texts "
        "different that look the same."
    )


def test_error_that_the_workbook_has_is_told_by_its_reader() -> None:
    found = notices_of("id", ["#N/A", "#N/A"], [Kind.ERROR, Kind.TEXT])

    assert [(notice.code, notice.samples) for notice in found] == [
        ("error_cell", ((3, "#N/A"),))
    ]


COLUMNS: list[tuple[str, list[str], str, int]] = [
    # Zip codes, a tenth of which began with zero.
    ("zip", [f"{number}" for number in range(1000, 20000, 97)], "", 0),
    ("zip", [f"{number}" for number in range(2000, 99999, 97)], "short_codes", 83),
    # The name says nothing, but other codes still have their zeros.
    ("part", [*[f"{number:04}" for number in range(900, 2000)], "12", "345"],
     "short_codes", 2),
    ("part", [f"{number:04}" for number in range(900, 2000)], "", 0),
    # Long random codes.
    ("customer", [f"{number * 79190927 % 10**8}" for number in range(10**6, 10**6 + 3000)],
     "short_codes", 300),
    ("counter", [f"{number}" for number in range(1, 3000)], "", 0),
    ("counter", [f"{number}" for number in range(99_999_900, 100_001_000)], "", 0),
    ("amount", [f"{number * 7919 % 10**5}" for number in range(1000)], "", 0),
    ("card", [f"{number}" + "0" for number in range(10**14, 10**14 + 50)], "digits_cut", 50),
    ("card", [f"{number * 99991 % 10**15 + 10**15}" for number in range(500)], "", 0),
    ("order_date", ["45123", "45124.5", "n/a", "2024-03-04"], "serial_date", 2),
    ("purchasedOn", ["45123"], "serial_date", 1),
    ("price", ["45123"], "", 0),
    ("order_date", ["2024-03-04", "04.03.2024", "99999999"], "", 0),
    # 13/05 was left as text, 05/03 became 3 May.
    ("day", [*[f"{day}/05/2024" for day in range(13, 30)],
             *[f"2024-{month:02}-03" for month in range(1, 13)]], "swapped_dates", 12),
    ("day", [*[f"{day}/05/2024" for day in range(13, 30)],
             *[f"{day}/3/2024" for day in range(1, 13)]], "swapped_dates", 12),
    ("day", [f"{day:02}/05/2024" for day in range(1, 30)], "", 0),
    ("day", [f"{day}/5/2024" for day in range(1, 30)], "", 0),
    ("day", [*[f"{day:02}.05.2024" for day in range(1, 30)],
             *[f"2024-{month:02}-03" for month in range(1, 13)]], "", 0),
    ("note", ["a\nb", "c\nd", "e\r\nf"], "mixed_breaks", 1),
    ("note", ["a\r\nb", "c\r\nd"], "", 0),
]  # fmt: skip


@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize(("name", "cells", "code", "count"), COLUMNS)
def test_column_is_judged_as_a_whole(
    name: str, cells: list[str], code: str, count: int, repeat: int
) -> None:
    found = notices_of(name, cells * repeat)

    assert [(notice.code, notice.count) for notice in found] == (
        [(code, count * repeat)] if code else []
    )


def test_facts_of_a_column() -> None:
    facts = facts_of("name", ["a", "", "bcd", "a", "ä"], rows_per_block=2)

    assert facts.columns(2) == [
        ColumnFacts(4, 3, distinct=3, values=[("a", 2), ("bcd", 1), ("ä", 1)]),
        ColumnFacts(),
    ]


def test_values_are_counted_until_there_are_too_many() -> None:
    [many] = facts_of("name", FILLER).columns(1)
    [few] = facts_of("name", [*FILLER[1:], *FILLER[-3:]]).columns(1)

    assert many == ColumnFacts(len(FILLER), 10, distinct=None)
    assert few.distinct == MAX_VALUES
    assert few.values[:4] == [*[(text, 2) for text in FILLER[-3:]], (FILLER[1], 1)]
    assert len(few.values) == MAX_KEPT_VALUES


DAYS = [date(2000, 1, 1) + timedelta(days=number) for number in range(MAX_VALUES + 9)]


@pytest.mark.parametrize(
    ("cells", "orders"),
    [
        (["2024-05-31", "2024/5/3 10:00", "2024.05.03T10:00"], {"ymd": 3}),
        (["31/05/2024", "1/2/2024", "5/5/2024", "1/2/2024"], {"dmy": 1, "either": 2}),
        (["05/31/2024", "1-2-2024 7:30"], {"mdy": 1, "either": 1, "undecided": 1}),
        (["31.05.2024", "5/5/2024"], {"dmy": 1, "either": 1}),
        (["2024-05-31", "1/2/2024"], {"ymd": 1, "either": 1}),
        (["31/05/2024", "05/31/2024"], {"dmy": 1, "mdy": 1}),
        (["30/02/2024", "2024-02-30", "1/2/24", "12", "n/a", ""], {}),
        ([f"{day:%d.%m.%Y}" for day in DAYS], {"dmy": 1216, "either": 793}),
        ([f"{day:%Y/%m/%d} 10:00" for day in DAYS], {"ymd": len(DAYS)}),
        ([f"{day:%d.%m.%Y}" for day in DAYS] + ["12/31/2024"],
         {"dmy": 1216, "either": 793, "mdy": 1}),
    ],
)  # fmt: skip
def test_date_orders_are_counted_in_the_whole_column(
    cells: list[str], orders: dict[str, int]
) -> None:
    [facts] = facts_of("day", cells).columns(1)

    assert facts.date_orders == orders


def test_columns_may_be_added_while_the_table_is_read() -> None:
    header = ["a"]
    facts = Facts(header)
    column = Column(pa.array([" x"], pa.string()))
    facts.add(Block(pa.array([1], pa.int64()), (column,)))
    header.append("b")
    facts.add(Block(pa.array([2], pa.int64()), (column, column)))

    assert [(notice.column, notice.count) for notice in facts.notices(["a", "b"])] == [
        ("a", 2),
        ("b", 1),
    ]


NUMBERS = st.from_regex(
    r"[ ]?[+-]?[0-9]{0,5}([ .,'\u00a0]?[0-9]{3}){0,2}[.,]?[0-9]{0,4}([eE]-?[0-9])?",
    fullmatch=True,
)


@settings(max_examples=300)
@given(texts=st.lists(NUMBERS | st.sampled_from(CLEAN), min_size=1, max_size=8))
def test_decimal_marks_are_counted_as_one_by_one(texts: list[str]) -> None:
    counts: Counter[str] = Counter()
    # Kernels accept spaces of several kinds in one number.
    same = [text for text in texts if len(set(text.strip()) & {" ", "'", "\u00a0"}) < 2]

    count_marks(pa.array(same, pa.string()), "".join(same).encode(), counts)

    assert counts == Counter(filter(None, map(mark_of, same)))


CLEAN_COLUMNS = [
    st.from_regex(r"[A-Z]{1,3}-[0-9]{1,8}", fullmatch=True),
    st.integers(0, 10**6).map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.dates().map(str),
    st.dates().map(lambda day: f"{day:%d.%m.%Y}"),
    st.datetimes().map(lambda time: time.isoformat(" ", "minutes")),
    st.text("abcdefghij äöüßéèñçøžłőя中", max_size=12).map(str.strip),
    st.sampled_from(["yes", "no", ""]),
    st.uuids().map(str),
]


@settings(max_examples=100)
@given(data=st.data(), kind=st.sampled_from(CLEAN_COLUMNS))
def test_clean_random_columns_have_no_notice(
    data: st.DataObject, kind: st.SearchStrategy[str]
) -> None:
    cells = data.draw(st.lists(kind, min_size=1, max_size=200))

    assert notices_of("name", cells) == []
