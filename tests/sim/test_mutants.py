"""The mutants fit the engine as it is, and the table names all of them."""

from tests.sim.mutants import ROOT
from tests.sim.mutations import MUTANTS


def test_every_mutant_changes_the_engine() -> None:
    lost = [
        mutant.name
        for mutant in MUTANTS
        if mutant.old not in (ROOT / mutant.path).read_text()
    ]

    assert lost == []


def test_the_table_names_every_mutant() -> None:
    table = (ROOT / "docs" / "mutants.md").read_text()

    missing = [mutant.name for mutant in MUTANTS if f"| {mutant.name} |" not in table]

    assert missing == []
