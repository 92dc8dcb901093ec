"""How the problems of invalid rows are stored with a page: JSON, compressed.

A list of rows, each a list of [row, column, value, code, message, fix, general message]"""

import json
from collections.abc import Sequence

from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models.batch import pack, unpack


def packed(rows: Sequence[Sequence[Problem]]) -> bytes:
    if not rows:
        return b""
    stored = [[_stored(problem) for problem in problems] for problems in rows]
    return pack(json.dumps(stored).encode())


def unpacked(data: bytes | memoryview) -> list[list[Problem]]:
    if not data:
        return []
    rows = json.loads(unpack(data))
    return [[_problem(*stored) for stored in problems] for problems in rows]


def _stored(problem: Problem) -> list[str | int]:
    return [
        problem.row,
        problem.column,
        problem.value,
        problem.code,
        problem.message,
        problem.fix,
        problem.general,
    ]


def _problem(
    row: int, column: str, value: str, code: str, message: str, fix: str, general: str
) -> Problem:
    return Problem(row, column, value, ValueProblem(code, message, fix, kind=general))
