"""Whether records are those that rows mean."""

import random
from collections.abc import Callable

import pytest

from jobsui.jobs.mapping.agreement import Agreement, Compared, agreement
from jobsui.zendesk.payloads import Json

RUNS = 40
PAIRS = 200
OPTIONS = ["in_use", "retired", "lost"]

type Values = dict[str, Json]

COLUMNS: dict[str, tuple[str, Callable[[random.Random], Json]]] = {
    "title": ("text", lambda chance: f"{chance.getrandbits(40):x}"),
    "price": ("decimal", lambda chance: round(chance.gauss(80, 15), 1)),
    "seats": ("integer", lambda chance: chance.randint(1, 12)),
    "active": ("checkbox", lambda chance: chance.random() < 0.9),
    "status": ("dropdown", lambda chance: chance.choice(OPTIONS)),
    "bought": ("date", lambda chance: f"2024-{chance.randint(1, 12):02}-01"),
}


def values(chance: random.Random) -> Values:
    return {name: make(chance) for name, (_, make) in COLUMNS.items()}


def edited(held: Values, chance: random.Random, share: float) -> Values:
    """With this share of the cells changed."""
    other = values(chance)
    return {
        name: other[name] if chance.random() < share else value
        for name, value in held.items()
    }


def compared(pairs: list[tuple[Values, Values]]) -> Agreement:
    columns = {name: Compared(kind) for name, (kind, _) in COLUMNS.items()}
    for number, (sent, held) in enumerate(pairs):
        for name, column in columns.items():
            column.add(f"K-{number:06}", sent[name], held[name])
    return agreement(columns.values())


def test_records_of_another_account_never_agree() -> None:
    chance = random.Random(1)
    found = [
        compared([(values(chance), values(chance)) for _ in range(PAIRS)])
        for _ in range(RUNS)
    ]

    assert found == [Agreement.DISAGREES] * RUNS


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_records_agree_though_a_file_changes_most_cells(share: float) -> None:
    chance = random.Random(2)
    runs = []
    for _ in range(RUNS):
        held = [values(chance) for _ in range(PAIRS)]
        runs.append(compared([(edited(each, chance, share), each) for each in held]))

    assert runs == [Agreement.AGREES] * RUNS


def test_few_records_prove_nothing() -> None:
    chance = random.Random(3)

    found = compared([(values(chance), values(chance)) for _ in range(2)])

    assert found is Agreement.UNKNOWN


def test_values_that_are_all_alike_prove_nothing() -> None:
    column = Compared("checkbox")
    for number in range(PAIRS):
        column.add(f"K-{number}", True, True)

    assert agreement([column]) is Agreement.UNKNOWN


@pytest.mark.parametrize("text", ["Asset 42", "asset-00042", "42"])
def test_texts_with_the_key_prove_nothing(text: str) -> None:
    column = Compared("text")

    column.add("0042", text, text)

    assert column.sent == []


@pytest.mark.parametrize("blank", [None, "", []])
def test_blank_cells_prove_nothing(blank: Json) -> None:
    column = Compared("text")

    column.add("0042", blank, blank)

    assert column.sent == []


def test_no_columns_prove_nothing() -> None:
    assert agreement([]) is Agreement.UNKNOWN
