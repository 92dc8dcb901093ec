from tools.measure import Measure

SOURCE = '''"""A docstring is no code."""


def pair(x, y):
    # A comment is no code either.
    a, b = x, y
    first, second = unpacked()
    return a + b
'''


def test_measure_counts_code_and_leaves_out_comments_and_docstrings() -> None:
    measure = Measure()

    measure.add(SOURCE)

    assert measure.code_lines == 4
    assert measure.tokens == 8 + 7 + 7 + 4
    assert measure.function_lines == [4]


def test_measure_counts_tuple_assignments_but_not_unpacking() -> None:
    measure = Measure()

    measure.add(SOURCE)

    assert measure.tuple_assignments == 1
