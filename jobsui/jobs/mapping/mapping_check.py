"""Whether a mapping can work, with its rules."""

from collections.abc import Iterator, Mapping, Sequence

from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping.field_targets import Target, api_name, targets, unique_targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import cell_readers
from jobsui.jobs.mapping.rules import Rule
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.zendesk.payloads import Schema


def check_mapping(
    mapping: Mapping[str, str],
    columns: Sequence[str],
    action: Action,
    schema: Schema,
    rules: Mapping[str, Rule] | None = None,
) -> None:
    """Raise MappingRefused with every reason why the mapping cannot work. `rules`: {target
    key: rule}."""
    problems = list(_mapping_problems(mapping, columns, action, schema, rules or {}))
    if not mapping and not problems:
        problems.append("No column is mapped. Map at least one.")
    if problems:
        raise MappingRefused(problems)


def _mapping_problems(
    mapping: Mapping[str, str],
    columns: Sequence[str],
    action: Action,
    schema: Schema,
    rules: Mapping[str, Rule],
) -> Iterator[str]:
    offered = {target.key: target for target in targets(schema, action)}
    constants = [key for key, rule in rules.items() if rule.constant]
    used = [*mapping.values(), *constants]
    if action is Action.UPSERT_BY_NAME and not schema.name_rules.unique:
        yield (
            "Names of this object need not be unique in Zendesk, so a name cannot "
            "identify a record. Use the external ID instead."
        )
    joined = [column for rule in rules.values() for column in rule.also]
    for column in dict.fromkeys([*mapping, *joined]):
        if column not in columns:
            yield f"The file has no column {column!r}."
    for key in sorted(set(used) - set(offered)):
        yield f"This action cannot fill {api_name(key)}."
    for key, target in offered.items():
        sources = [column for column in columns if mapping.get(column) == key]
        if len(sources) > 1:
            yield f"{_all_of(sources)} map to {target.label}. Keep one."
        if sources and key in constants:
            yield f"{target.label} has a column and a constant. Keep one."
        if target.required and key not in used:
            yield f"{target.label} is required. Map a column to it."
    yield from _constant_problems(offered, action, schema, rules)
    if action is Action.UPDATE and set(used) == {"id"}:
        yield "Only the ID is mapped, so nothing would change. Map a column to update."


def _constant_problems(
    offered: Mapping[str, Target],
    action: Action,
    schema: Schema,
    rules: Mapping[str, Rule],
) -> Iterator[str]:
    unique = unique_targets(schema, action)
    for cell in cell_readers(schema, action, {}, [], Options(), {}, rules):
        label = offered[cell.target.key].label
        if cell.target.key in unique:
            yield (
                f"{label} must differ in every row, so it cannot be a constant. "
                "Map a column to it."
            )
        try:
            cell.read(cell.rule.constant)
        except ValueProblem as problem:
            yield f"{label}: {problem.message} {problem.fix}"


def _all_of(columns: Sequence[str]) -> str:
    """“A” and “B” both; “A”, “B” and “C” all."""
    *others, last = (f"“{column}”" for column in columns)
    return f"{', '.join(others)} and {last} {'both' if len(others) == 1 else 'all'}"
