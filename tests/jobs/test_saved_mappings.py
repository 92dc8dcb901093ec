"""Mappings that are saved under a name and used for the next file."""

from copy import deepcopy
from typing import Any

import pytest

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import automation, drafts, saved_mappings
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import Rule
from jobsui.jobs.models import File, Job, SavedMapping
from jobsui.jobs.preparation import uploads
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_file, make_object
from tests.harness import GADGET

pytestmark = pytest.mark.django_db(transaction=True)

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
MAPPING = {"No": "external_id", "State": "field:status", "Price EUR": "field:price"}
RULES = {"field:status": Rule(values={"active": "in_use"})}
OCTOBER = "No,State,Price EUR,Remarks\nA-1,active,1.5,old\n"
NOVEMBER = "No;State;Price EUR;Remarks\nA-1;active;1.5;Müller\nA-2;active;2.5;Größe\n"
WESTERN = NOVEMBER.encode("cp1252")


@pytest.fixture
def gadget(db: None) -> CustomObject:  # noqa: ARG001
    connection = make_connection(host="127.0.0.1:1")
    return make_object(connection, "gadget", fields=deepcopy(GADGET))


def mapped(gadget: CustomObject, **file_fields: Any) -> Job:
    job = drafts.create_draft(
        gadget.connection,
        gadget.key,
        UPSERT,
        make_file(OCTOBER, **file_fields),
        by=None,
        options=Options(blank="clear", invalid="skip", warnings="skip"),
    )
    options = Options.from_json(job.options)
    drafts.set_mapping(job, dict(MAPPING), options, by=None, rules=RULES)
    return job


def saved(gadget: CustomObject, **file_settings: Any) -> SavedMapping:
    return saved_mappings.save(
        mapped(gadget, chosen=file_settings), "Monthly assets", by=None
    )


def advanced(mapping: SavedMapping, content: bytes | str, task_queue: TaskQueue) -> Job:
    """A draft of this upload, as far as automation takes it with the saved mapping."""
    body = content.encode() if isinstance(content, str) else content
    job = drafts.create_draft(
        mapping.connection,
        mapping.object_key,
        mapping.action,
        uploads.receive([body], "november.csv", by=None),
        by=None,
        saved_mapping=mapping,
        options=saved_mappings.options_of(mapping),
    )
    automation.set_auto_target(job, JobState.READY)
    task_queue.run_all()
    return Job.objects.get(pk=job.pk)


def change_field(gadget: CustomObject, key: str, **members: Any) -> None:
    """Members of None: the field no longer exists."""
    fields = [field | members for field in gadget.fields if field["key"] == key]
    others = [field for field in gadget.fields if field["key"] != key]
    gadget.fields = others if "gone" in members else [*others, *fields]
    gadget.save()


def test_saved_mapping_keeps_what_lasts(gadget: CustomObject) -> None:
    mapping = saved(gadget, encoding="cp1252", delimiter=";")

    assert mapping.version == 1
    assert mapping.columns == ["No", "State", "Price EUR", "Remarks"]
    assert mapping.mapping == MAPPING
    assert mapping.rules == {"field:status": {"values": {"active": "in_use"}}}
    assert mapping.file_settings == {"encoding": "cp1252", "delimiter": ";"}
    assert mapping.options["blank"] == "clear"
    assert "invalid" not in mapping.options
    assert "warnings" not in mapping.options
    assert "prefix" not in mapping.options


def test_mapping_saved_again_gets_a_version_if_it_changed(
    gadget: CustomObject,
) -> None:
    job = mapped(gadget)
    first = saved_mappings.save(job, "Monthly assets", by=None)
    same = saved_mappings.save(job, " Monthly assets ", by=None)
    options = Options.from_json(job.options)
    drafts.set_mapping(job, {"No": "external_id"}, options, by=None)

    changed = saved_mappings.save(job, "Monthly assets", by=None)

    assert same == first
    assert changed.version == 2
    assert job.saved_mapping == changed
    assert list(saved_mappings.newest(SavedMapping.objects.all())) == [changed]
    assert list(saved_mappings.versions(first)) == [changed, first]


def test_draft_without_mapping_is_not_saved(gadget: CustomObject) -> None:
    job = drafts.create_draft(
        gadget.connection, "gadget", UPSERT, make_file(OCTOBER), by=None
    )

    with pytest.raises(NotPossibleNow, match="Nothing is mapped yet"):
        saved_mappings.save(job, "Monthly assets", by=None)


def test_next_file_is_mapped_and_checked(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget)

    job = advanced(mapping, OCTOBER.replace("A-1", "A-7"), task_queue)

    assert job.state == JobState.READY
    assert job.rows_invalid == 0
    assert job.mapping == mapping.mapping
    assert job.rules == mapping.rules
    assert Options.from_json(job.options).blank == "clear"
    assert Options.from_json(job.options).invalid == "stop"
    assert not saved_mappings.is_changed(job)


@pytest.mark.parametrize(
    ("settings", "quoting"),
    [
        ({"encoding": "cp1252"}, "double"),
        ({"encoding": "cp1252", "quoting": "none", "sheet": "Assets"}, "none"),
    ],
)
def test_next_file_is_read_with_the_saved_settings(
    gadget: CustomObject,
    task_queue: TaskQueue,
    settings: dict[str, str],
    quoting: str,
) -> None:
    mapping = saved(gadget, **settings)

    job = advanced(mapping, WESTERN, task_queue)

    assert job.state == JobState.READY
    assert job.file.encoding == "cp1252"
    assert job.file.quoting == quoting
    assert job.rows == 2


def test_certain_encoding_wins_and_is_told(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget, encoding="cp1252")

    job = advanced(mapping, NOVEMBER, task_queue)
    found = saved_mappings.fit_of(job)

    assert job.state == JobState.READY
    assert job.file.encoding == "utf-8-sig"
    assert found is not None
    assert found.settings == ["Encoding: UTF-8, not Windows-1252 as saved."]


def test_uncertain_encoding_that_is_not_the_saved_one_is_asked(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget, encoding="cp874")

    job = advanced(mapping, WESTERN, task_queue)

    assert job.file.state == FileState.REJECTED
    assert job.file.proposals[0]["encoding"] == "cp1252"
    assert job.reason == job.file.error
    assert not job.is_in_progress


def test_settings_chosen_for_the_file_remain(gadget: CustomObject) -> None:
    mapping = saved(gadget, delimiter=";")
    file = make_file(OCTOBER, chosen={"delimiter": ","})

    assert saved_mappings.settings_to_read_with(mapping, file) == {}


def test_missing_column_stops_and_is_named(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget)

    job = advanced(mapping, "No,State,Price\nA-1,active,1\n", task_queue)
    found = saved_mappings.fit_of(job)

    assert job.state == JobState.DRAFT
    assert not job.is_in_progress
    assert job.reason == (
        "“Monthly assets”, version 1, must be reviewed. "
        "The file has no column “Price EUR”."
    )
    assert job.mapping == MAPPING
    assert found is not None
    assert found.new_columns == ["Price"]


CHANGES = [
    ("status", {"gone": True}, "Status no longer exists in Zendesk."),
    ("status", {"active": False}, "Status no longer exists in Zendesk."),
    ("price", {"type": "rollup"}, "Price is now read-only."),
    ("price", {"type": "text"}, "Price now has the type text. It was decimal."),
    (
        "status",
        {"custom_field_options": [{"value": "retired", "name": "Retired"}]},
        "Status no longer has the option “in_use”.",
    ),
    (
        "status",
        {"custom_field_options": [{"value": "new", "name": "New"}]},
        "Status no longer has the options “in_use” and “retired”.",
    ),
    ("price", {"required": True}, "Price is now required."),
    (
        "notes",
        {"required": True},
        "Notes is now required, and no column is mapped to it.",
    ),
]


@pytest.mark.parametrize(("key", "members", "sentence"), CHANGES)
def test_schema_change_stops_and_is_named(
    gadget: CustomObject,
    task_queue: TaskQueue,
    key: str,
    members: dict[str, Any],
    sentence: str,
) -> None:
    mapping = saved(gadget)
    change_field(gadget, key, **members)

    job = advanced(mapping, OCTOBER, task_queue)

    assert job.state == JobState.DRAFT
    assert job.reason == f"“Monthly assets”, version 1, must be reviewed. {sentence}"


@pytest.mark.parametrize(
    ("key", "members"),
    [
        ("notes", {"gone": True}),
        ("notes", {"type": "text"}),
        ("price", {"title": "Cost"}),
        ("price", {"description": "In euros"}),
    ],
)
def test_schema_change_that_does_not_matter_stops_nothing(
    gadget: CustomObject, task_queue: TaskQueue, key: str, members: dict[str, Any]
) -> None:
    mapping = saved(gadget)
    change_field(gadget, key, **members)

    assert advanced(mapping, OCTOBER, task_queue).state == JobState.READY


def test_stopped_draft_goes_on_once_a_person_changes_it(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget)
    change_field(gadget, "status", gone=True)
    job = advanced(mapping, OCTOBER, task_queue)
    automation.set_auto_target(job, JobState.READY)
    task_queue.run_all()
    stopped = Job.objects.get(pk=job.pk).state

    options = Options.from_json(job.options)
    drafts.set_mapping(job, {"No": "external_id"}, options, by=None)
    automation.set_auto_target(job, JobState.READY)
    task_queue.run_all()

    job.refresh_from_db()
    assert stopped == JobState.DRAFT
    assert job.state == JobState.READY
    assert saved_mappings.is_changed(job)


def test_mappings_whose_columns_the_file_has_are_offered(
    gadget: CustomObject,
) -> None:
    mapping = saved(gadget)
    job = mapped(gadget)
    lacking = make_file("No,State\nA-1,active\n")

    found = saved_mappings.offers(job)
    drafts.set_target(job, gadget.connection, "gadget", UPSERT, lacking, by=None)
    of_lacking = saved_mappings.offers(job)

    assert found == [mapping]
    assert of_lacking == []


def test_offered_mapping_replaces_the_mapping_of_a_draft(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget)
    job = drafts.create_draft(
        gadget.connection,
        "gadget",
        UPSERT,
        make_file(OCTOBER),
        by=None,
        mapping={"No": "external_id"},
    )

    saved_mappings.use(job, mapping, by=None)
    automation.set_auto_target(job, JobState.READY)
    task_queue.run_all()

    job.refresh_from_db()
    assert job.state == JobState.READY
    assert job.mapping == mapping.mapping


def test_another_object_forgets_the_saved_mapping(gadget: CustomObject) -> None:
    mapping = saved(gadget)
    job = mapped(gadget)
    saved_mappings.use(job, mapping, by=None)
    other = make_object(gadget.connection, "other", fields=GADGET)

    drafts.set_target(job, gadget.connection, other.key, UPSERT, by=None)

    assert job.saved_mapping is None
    with pytest.raises(NotPossibleNow, match="of the object gadget in Acme"):
        saved_mappings.use(job, mapping, by=None)


def test_program_learns_at_once_that_columns_are_missing(
    gadget: CustomObject,
) -> None:
    mapping = saved(gadget)
    job = drafts.create_draft(
        gadget.connection,
        "gadget",
        UPSERT,
        make_file("No,State\nA-1,active\n"),
        by=None,
        saved_mapping=mapping,
    )

    with pytest.raises(MappingRefused, match="has no column “Price EUR”"):
        automation.require_feasible(job)


def test_drafts_that_wait_for_a_deleted_mapping_need_a_person(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    mapping = saved(gadget)
    File.objects.update(state=FileState.READING)
    waiting = drafts.create_draft(
        gadget.connection,
        "gadget",
        UPSERT,
        File.objects.latest("pk"),
        by=None,
        saved_mapping=mapping,
    )
    automation.set_auto_target(waiting, JobState.READY)

    saved_mappings.delete(mapping)
    File.objects.update(state=FileState.READY)
    task_queue.run_all()

    waiting.refresh_from_db()
    assert waiting.state == JobState.DRAFT
    assert waiting.mapping == {}
    assert "“Monthly assets” was deleted" in waiting.reason
