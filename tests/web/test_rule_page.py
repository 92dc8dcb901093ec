import csv
import io
import re
from collections import Counter
from typing import Any

import pytest
from django.test import Client

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import ColumnFacts, Job
from tests.harness import GADGET
from tests.web import stages
from tests.web.pages import visible
from tests.web.test_wizard import HTMX, path

pytestmark = pytest.mark.django_db

ROWS = """\
external_id,status,tags,price,insured,bought,notes,brand
g-1,In use,wifi;Blau,"1.250,00",ja,03/04/2026, hello ,Acme
g-2,Out of order,wifi,"12,50",nein,05/06/2026,note,Acme
g-3,Out of order,GPS,"3,00",ja,07/08/2026,,
"""
EITHER = {"bought": {"either": 3}}


def draft(content: str = ROWS, **fields: Any) -> Job:
    """A draft with the facts of its columns."""
    job = stages.draft(content, **fields)
    header, *rows = csv.reader(io.StringIO(content))
    job.file.sample = [[number, cells] for number, cells in enumerate(rows, 2)]
    job.file.save()
    for position, name in enumerate(header):
        counts = Counter(cells[position] for cells in rows if cells[position])
        ColumnFacts.objects.create(
            file=job.file,
            position=position,
            name=name,
            filled=counts.total(),
            longest=max(map(len, counts), default=0),
            distinct=len(counts),
            values=counts.most_common(),
            date_orders=EITHER.get(name, {}),
        )
    return job


def page_of(client: Client, job: Job, target: str) -> Any:
    return client.get(path(job, f"map/{target}/"))


def entered(page: Any) -> dict[str, str]:
    """What a browser sends of the unchanged form of a page."""
    form = page.context["form"]
    fields = {
        field.html_name: str(field.value() or "")
        for field in form
        if field.value() is not False
    }
    rows = {row.input_name: row.chosen for row in form.table_rows()}
    return fields | rows | {"texts": form.table.digest if form.table else ""}


@pytest.mark.parametrize(
    ("target", "fields", "rule"),
    [
        ("field:price", {"decimal_mark": "comma"}, {"decimal_mark": "comma"}),
        ("field:bought", {"date_order": "dmy"}, {"date_order": "dmy"}),
        (
            "field:notes",
            {"trim": "on", "case": "upper", "pad": "8"},
            {"trim": True, "case": "upper", "pad": 8},
        ),
        (
            "field:notes",
            {"also_0": "brand", "also_1": "external_id", "joiner": "dash"},
            {"also": ["brand", "external_id"], "joiner": "-"},
        ),
        (
            "field:notes",
            {"blank": "set", "blank_value": "none"},
            {"blank": "set", "blank_value": "none"},
        ),
        ("field:notes", {"blank": "clear", "blank_value": "x"}, {"blank": "clear"}),
        (
            "field:status",
            {"becomes_0": "Retired"},
            {"values": {"Out of order": "retired"}},
        ),
        (
            "field:status",
            {"becomes_0": "A blank cell"},
            {"values": {"Out of order": ""}},
        ),
        (
            "field:tags",
            {"becomes_0": "GPS"},
            {"values": {"Blau": "gps"}, "separator": ";"},
        ),
        (
            "field:insured",
            {"becomes_0": "Yes", "becomes_1": "No", "no": "nee, nope"},
            {"yes": ["ja"], "no": ["nein", "nee", "nope"]},
        ),
        ("field:seats", {"constant": "4"}, {"constant": "4"}),
        ("external_id", {"pad": "6"}, {"pad": 6}),
    ],
)
def test_rule_is_saved(
    operator: Client, target: str, fields: dict[str, str], rule: dict[str, Any]
) -> None:
    job = draft()
    unchanged = entered(page_of(operator, job, target))

    answer = operator.post(path(job, f"map/{target}/"), unchanged | fields)

    assert answer["Location"] == path(job, "map/")
    assert Job.objects.get().rules == {target: rule}
    assert Job.objects.get().mapping == job.mapping


@pytest.mark.parametrize(
    ("target", "fields", "says"),
    [
        ("field:notes", {"pad": "300"}, "less than or equal to 255"),
        ("field:notes", {"blank": "set"}, "Enter a value."),
        ("field:notes", {"also_0": "nothing"}, "The file has no column “nothing”."),
        ("field:seats", {"constant": "few"}, "“few” is not a whole number."),
        ("field:status", {"becomes_0": "broken"}, "“broken” is no option."),
        ("field:status", {"texts": "0"}, "The list of values has changed."),
        ("field:insured", {"yes": "x", "no": "X"}, "x means both yes and no."),
    ],
)
def test_rule_that_cannot_be_meant_says_why(
    operator: Client, target: str, fields: dict[str, str], says: str
) -> None:
    job = draft()
    unchanged = entered(page_of(operator, job, target))

    answer = operator.post(path(job, f"map/{target}/"), unchanged | fields)

    assert says in visible(answer.text)
    assert Job.objects.get().rules == {}


def test_values_without_an_option_come_first(operator: Client) -> None:
    job = draft()

    page = page_of(operator, job, "field:status")

    rows = page.context["form"].table_rows()
    assert [(row.text, row.count, row.chosen) for row in rows] == [
        ("Out of order", 2, ""),
        ("In use", 1, "In use"),
    ]
    assert "1 of 2 different values has a problem." in visible(page.text)


def test_preview_shows_the_rule_that_is_being_chosen(operator: Client) -> None:
    job = draft()
    address = path(job, "map/field:bought/")
    before = operator.get(address)
    fields = entered(before)

    after = operator.post(address, fields | {"date_order": "dmy"}, headers=HTMX)
    without_htmx = operator.post(
        address, fields | {"date_order": "mdy", "then": "preview"}
    )

    assert "Dates can be read in two orders" in before.text
    assert "Day, month, year: 03/04/2026 is 3 April 2026" in before.text
    assert "Month, day, year: 03/04/2026 is 4 March 2026" in before.text
    assert "3 of 3 different values have a problem." in visible(before.text)
    assert [r.json for r in after.context["preview"].readings] == [
        '"2026-04-03"',
        '"2026-06-05"',
        '"2026-08-07"',
    ]
    assert re.findall(r'id="([^"]+)"', after.text) == ["rule-preview"]
    assert "2026-03-04" in without_htmx.text
    assert without_htmx.text.startswith("<!DOCTYPE html>")
    assert Job.objects.get().rules == {}


def test_preview_shows_what_blank_and_joined_cells_become(operator: Client) -> None:
    job = draft()
    address = path(job, "map/field:notes/")
    fields = entered(operator.get(address))

    joined = operator.post(
        address, fields | {"trim": "on", "also_0": "brand"}, headers=HTMX
    )
    cleared = operator.post(address, fields | {"blank": "clear"}, headers=HTMX)

    readings = joined.context["preview"].readings
    assert [reading.json for reading in readings] == ['"hello Acme"', '"note Acme"', ""]
    assert "null The field is cleared" in visible(cleared.text)


def test_another_separator_redraws_the_values(operator: Client) -> None:
    job = draft()
    address = path(job, "map/field:tags/")
    page = operator.get(address)

    changed = operator.post(address, entered(page) | {"separator": "bar"}, headers=HTMX)

    def texts(answer: Any) -> list[str]:
        return [row.text for row in answer.context["form"].table_rows()]

    assert texts(page) == ["Blau", "wifi", "GPS"]
    assert texts(changed) == ["wifi;Blau", "wifi", "GPS"]
    assert 'id="rule-values" hx-swap-oob="true"' in changed.text


@pytest.mark.parametrize(
    ("target", "distinct", "sentence"),
    [
        ("status", 2, "2 values, those without an option first"),
        ("status", 9, "The first 2 values, those without an option first"),
        ("insured", 2, "2 values"),
    ],
)
def test_table_of_values_says_how_many_it_has(
    operator: Client, target: str, distinct: int, sentence: str
) -> None:
    job = draft()
    ColumnFacts.objects.filter(name=target).update(distinct=distinct)

    text = visible(page_of(operator, job, f"field:{target}").text)

    assert f"What each value becomes {sentence} The values of" in text


def test_preview_says_a_fix_once_for_rows_in_a_row(operator: Client) -> None:
    job = draft()

    text = visible(page_of(operator, job, "field:price").text)

    assert text.count("is not a number") == 3
    assert text.count("Write digits with a point") == 1


def test_values_of_a_rule_that_the_file_lacks_are_kept(operator: Client) -> None:
    values = {"values": {"Lost": "retired", "Out of order": "in_use"}, "case": "upper"}
    job = draft(rules={"field:status": values})
    page = page_of(operator, job, "field:status")

    operator.post(
        path(job, "map/field:status/"), entered(page) | {"becomes_0": "Retired"}
    )

    assert Job.objects.get().rules["field:status"] == {
        "values": {"Lost": "retired", "Out of order": "retired"},
        "case": "upper",
    }


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("field:notes", {"also": ["brand", "price"], "joiner": " + ", "trim": True}),
        ("field:notes", {"repairs": ["invisible"], "case": "lower", "pad": 3}),
        ("field:notes", {"blank": "set", "blank_value": "none"}),
        (
            "field:notes",
            {"values": {"note": "Note"}, "joiner": "\n", "also": ["brand"]},
        ),
        ("field:tags", {"separator": "~"}),
        ("field:tags", {"separator": "\n", "values": {"Blau": "gps"}}),
        ("field:tags", {"separator": ";", "values": {"Blau": "gps", "wifi": ""}}),
        ("field:tags", {"values": {"wifi;Blau": '["wifi","gps"]'}}),
        ("field:status", {"values": {"In use": "retired", "x": "in_use"}}),
        ("field:status", {"values": {"In use": "gone"}, "blank": "leave"}),
        ("field:insured", {"yes": ["ja", "jo"], "no": ["nein", "nee"]}),
        ("field:insured", {"yes": ["nein"], "no": ["ja"], "values": {"x": "true"}}),
        ("field:price", {"decimal_mark": "point", "blank": "clear"}),
        ("field:bought", {"date_order": "mdy", "repairs": ["serial_dates"]}),
        ("field:seats", {"constant": "4"}),
        ("name", {"constant": "Unnamed"}),
    ],
)
def test_saving_what_the_page_shows_changes_nothing(
    operator: Client, target: str, rule: dict[str, Any]
) -> None:
    job = draft(rules={target: rule})

    page = page_of(operator, job, target)
    answer = operator.post(path(job, f"map/{target}/"), entered(page))

    assert answer["Location"] == path(job, "map/")
    assert Job.objects.get().rules == {target: rule}


def test_rule_is_removed(operator: Client) -> None:
    job = draft(rules={"field:price": {"decimal_mark": "comma"}})

    operator.post(path(job, "map/field:price/"), {"then": "remove"})

    assert Job.objects.get().rules == {}


def test_rule_of_an_unknown_target_is_not_found(operator: Client) -> None:
    job = draft()

    assert page_of(operator, job, "field:nothing").status_code == 404


def test_key_without_a_column_has_no_constant(operator: Client) -> None:
    job = draft(mapping={"notes": "field:notes"})

    page = page_of(operator, job, "external_id")

    assert "must differ in every row. Map a column to it first." in visible(page.text)


def test_editing_a_rule_saves_the_mapping_first(operator: Client) -> None:
    job = draft()

    answer = operator.post(
        path(job, "map/"),
        {
            "source_external_id": "external_id",
            "source_field:notes": "brand",
            "blank": "clear",
            "then": "rule field:notes",
        },
    )

    after = Job.objects.get()
    assert answer["Location"] == path(job, "map/field:notes/")
    assert after.mapping == {"external_id": "external_id", "brand": "field:notes"}
    assert after.options["blank"] == "clear"
    assert after.state == JobState.DRAFT


def test_looking_at_a_rule_keeps_the_check(operator: Client) -> None:
    job = stages.checked()
    fields = {
        "source_external_id": "external_id",
        "source_field:price": "price",
        "blank": "skip",
        "decimal_mark": "auto",
        "then": "rule field:price",
    }
    options = job.options | {"generate_external_ids": False}
    stages.changed(job, options=options)

    operator.post(path(job, "map/"), fields)

    assert Job.objects.get().state == JobState.READY


@pytest.mark.parametrize(
    ("ticked", "rules"),
    [
        ("insured", {"field:insured": {"yes": ["ja"], "no": ["nein"]}}),
        ("brand", {}),
        ("", {}),
    ],
)
def test_suggested_rule_applies_where_it_is_left_ticked(
    operator: Client, ticked: str, rules: dict[str, Any]
) -> None:
    job = draft(mapping={})
    page = operator.get(path(job, "map/"))

    operator.post(
        path(job, "map/"),
        {
            "source_external_id": "external_id",
            "source_field:insured": "insured",
            "suggested_field:insured": ticked,
            "blank": "skip",
            "then": "save",
        },
    )

    box = re.findall(
        r'name="suggested_field:insured"\s+value="insured"\s+(\w+)', page.text
    )
    assert box == ["checked"]
    assert "Use the suggested rule: Yes is “ja”, no is “nein”" in visible(page.text)
    assert Job.objects.get().rules == rules


def test_mapping_page_names_what_only_a_person_can_decide(operator: Client) -> None:
    job = draft()
    job.file.number_marks = {"price": {"?": 3}}
    job.file.save()

    text = visible(operator.get(path(job, "map/")).text)
    stages.changed(
        job,
        rules={
            "field:bought": {"date_order": "dmy"},
            "field:price": {"decimal_mark": "comma"},
            "field:status": {"values": {"Out of order": "retired"}},
        },
    )
    decided = visible(operator.get(path(job, "map/")).text)

    assert "Day and month are ambiguous. Choose their order." in text
    assert "The decimal mark is ambiguous. Choose it." in text
    assert text.count("1 value matches no option. Choose what to send.") == 2
    assert decided.count("1 value matches no option.") == 1
    assert "ambiguous" not in decided
    assert "Dates are day, month, year" in decided


def test_lookup_cells_are_external_ids_or_names(operator: Client) -> None:
    job = draft("external_id,place\ng-1,Berlin Mitte\n")
    site = {
        "key": "site",
        "title": "Site",
        "type": "lookup",
        "relationship_target_type": "zen:custom_object:site",
    }
    CustomObject.objects.update(fields=[*GADGET, site])
    mapping = {"external_id": "external_id", "place": "field:site"}
    Job.objects.filter(pk=job.pk).update(mapping=mapping)
    address = path(job, "map/field:site/")
    fields = entered(page_of(operator, job, "field:site")) | {"reference": "name"}

    shown = operator.post(address, fields, headers=HTMX)
    operator.post(address, fields)

    assert "name:Berlin Mitte" in visible(shown.content.decode())
    assert Job.objects.get().rules == {"field:site": {"reference": "name"}}


def test_review_and_job_show_rules_in_words(operator: Client) -> None:
    rules = {"field:price": {"decimal_mark": "comma"}, "field:seats": {"constant": "4"}}
    job = stages.checked(rules=rules)

    review = visible(operator.get(path(job, "review/")).text)
    stages.changed(job, state=JobState.QUEUED)
    events = visible(operator.get(f"/jobs/{job.code}/events/").text)

    assert "price Price Numbers are like 1.234,5" in review
    assert "No column Seats Always “4”" in review
    assert "No column Seats Always “4”" in events
