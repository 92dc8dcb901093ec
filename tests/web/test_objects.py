import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobsui.connections.models import CustomObject
from tests.factories import make_connection, make_object
from tests.harness import GADGET, Harness
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db


def keys(client: Client, query: str = "") -> list[str]:
    return re.findall(
        r'href="/objects/[0-9]+/">([^<]+)<', client.get(f"/objects/{query}").text
    )


@pytest.mark.parametrize("count", [1, 3])
def test_objects_are_listed_by_as_many_queries(
    operator: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        make_object(
            make_connection(name=f"C{number}", host=f"c{number}.zendesk.com"),
            f"o{number}",
        )

    with django_assert_num_queries(
        5
    ):  # session, user, roles, objects, whether there is a connection
        listed = keys(operator)

    assert listed == [f"o{number}" for number in range(count)]


def test_objects_are_found_by_a_part_of_their_key(operator: Client) -> None:
    connection = make_connection()
    for key in ("asset", "vendor", "set_top"):
        make_object(connection, key)

    found = [
        keys(operator, query)
        for query in ("?q=set", "?q=SET ", "?q=x", "?q=%25", "?q=%00", "?q=")
    ]

    assert found == [
        ["asset", "set_top"],
        ["asset", "set_top"],
        [],
        [],
        ["asset", "set_top", "vendor"],
        ["asset", "set_top", "vendor"],
    ]
    assert "No object matches" in operator.get("/objects/?q=x").text


def test_object_shows_its_fields(operator: Client) -> None:
    thing = stages.gadget()

    text = operator.get(f"/objects/{thing.pk}/").text

    fields = re.findall(r"<td><code>([a-z]+)</code></td>", text)
    assert fields == [
        "serial",
        "status",
        "tags",
        "price",
        "seats",
        "insured",
        "bought",
        "notes",
    ]
    assert f'href="/jobs/new/?object={thing.pk}"' in text


def test_object_deleted_in_zendesk_says_so(operator: Client) -> None:
    thing = make_object(make_connection(), gone=True)

    assert (
        "This object was deleted in Zendesk."
        in operator.get(f"/objects/{thing.pk}/").text
    )


def test_template_maps_itself(operator: Client) -> None:
    answer = operator.get(f"/objects/{stages.gadget().pk}/template.csv")

    assert answer.content.decode("utf-8-sig").splitlines()[0] == (
        "external_id,name,serial,status,tags,price,seats,insured,bought,notes"
    )


def test_template_of_an_unusual_key_has_a_valid_header(operator: Client) -> None:
    thing = make_object(make_connection(), 'a"\r\nX: 1')

    answer = operator.get(f"/objects/{thing.pk}/template.csv")

    assert (
        answer["Content-Disposition"]
        == "attachment; filename*=utf-8''a%22%0D%0AX%3A%201-template.csv"
    )


def test_object_is_added_by_its_key_and_read(
    operator: Client, harness: Harness
) -> None:
    harness.sandbox.make_object("vendor", fields=GADGET)

    answer = operator.post(
        "/objects/add/", {"connection": str(harness.connection.code), "key": "vendor"}
    )

    added = CustomObject.objects.get(key="vendor")
    assert answer["Location"] == f"/objects/{added.pk}/"
    assert len(added.schema.fields) == 8
    assert added.read_at is not None


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("nothing", "nothing could not be read."),
        ("a b", "is not an object key"),
        ("", "This field is required."),
    ],
)
def test_invalid_object_is_not_added(
    operator: Client, harness: Harness, key: str, says: str
) -> None:
    answer = operator.post(
        "/objects/add/", {"connection": str(harness.connection.code), "key": key}
    )

    assert answer.status_code == 200
    assert says in answer.text
    assert CustomObject.objects.count() == 0


def test_object_of_no_connection_is_not_added(operator: Client) -> None:
    answer = operator.post("/objects/add/", {"connection": "x", "key": "asset"})

    assert list(answer.context["form"].errors) == ["connection"]


def test_form_knows_which_connection_one_came_from(operator: Client) -> None:
    connection = make_connection()

    text = operator.get(f"/objects/add/?connection={connection.code}").text

    assert f'<option value="{connection.code}" selected>Acme</option>' in text


def test_refresh_reads_the_fields_again(operator: Client, harness: Harness) -> None:
    thing = harness.object()
    harness.sandbox.make_object("gadget", fields=GADGET[:2])

    page = operator.post(f"/objects/{thing.pk}/refresh/", follow=True)

    assert "gadget refreshed." in page.text
    assert len(CustomObject.objects.get(pk=thing.pk).schema.fields) == 2


def test_refresh_that_fails_says_why(operator: Client) -> None:
    page = operator.post(f"/objects/{stages.gadget().pk}/refresh/", follow=True)

    assert "The host refused the connection." in page.text


def test_form_of_stored_values_can_be_forgotten(operator: Client) -> None:
    thing = stages.gadget()
    seen = "2026-11-30T12:00:00+00:00"
    thing.stored_forms = {"serial": {"trimmed": seen}}
    thing.save()

    before = operator.get(f"/objects/{thing.pk}/").text
    after = operator.post(
        f"/objects/{thing.pk}/forget-form/",
        {"field": "serial", "form": "trimmed"},
        follow=True,
    ).text

    assert "serial Without spaces and line breaks at the ends 30 Nov 2026" in visible(
        before
    )
    assert "Forgotten. serial is compared exactly again." in visible(after)
    assert "Stored in another form" not in after
