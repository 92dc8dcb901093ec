"""What a page may cost, whatever it shows."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.web.routes import create_things
from tests.web.test_access import MATRIX

pytestmark = pytest.mark.django_db


def is_logging(query: dict[str, str]) -> bool:
    """Whether the statement belongs to an entry of the audit log, which takes five."""
    return "audit_" in query["sql"] or "SAVEPOINT" in query["sql"]


def test_no_page_asks_the_database_more_than_twelve_times(
    administrator: Client,
) -> None:
    harness = create_things()
    counts = {}

    for route, row in MATRIX.items():
        if row.get == 200:
            with CaptureQueriesContext(
                connection,
            ) as asked:
                answer = administrator.get(harness.path(route))
                if answer.streaming:
                    answer.getvalue()
            counts[route] = sum(not is_logging(each) for each in asked.captured_queries)

    # It adds up everything that is stored, for administrators.
    assert counts.pop("storage/") < 30
    assert len(counts) > 30
    assert {route: count for route, count in counts.items() if count > 12} == {}
