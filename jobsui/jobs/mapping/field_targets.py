"""What an action can fill in an object's records."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.models import Job
from jobsui.zendesk.payloads import Field, Schema

FIELD = "field:"
REQUIRED_FOR_NEW = "Required for records that do not exist yet."


@dataclass(frozen=True, slots=True)
class Target:
    """Something a column may fill."""

    key: str
    """"id", "external_id", "name", or "field:KEY"."""
    label: str
    type: str
    required: bool
    help: str = ""

    @property
    def api_name(self) -> str:
        return api_name(self.key)


def api_name(target_key: str) -> str:
    """What programs call a target: a field by its key alone."""
    return target_key.removeprefix(FIELD)


def schema_of(job: Job) -> Schema:
    """The fields of the job's object, as last read from Zendesk."""
    custom_object = CustomObject.objects.get(
        connection=job.connection, key=job.object_key
    )
    return custom_object.schema


def targets_for(job: Job) -> list[Target]:
    return targets(schema_of(job), Action(job.action))


def targets(schema: Schema, action: Action) -> list[Target]:
    """What this action can fill in records of this object, the key first."""
    found = []
    if action.key in {"id", "external_id"}:
        found.append(_record_key(action.key))
    if action.deletes:
        return found
    if not schema.name_rules.autonumbered:
        found.append(_name(schema, action))
    if action.key != "external_id":
        found.append(_optional_external_id())
    found += [_field(field, action) for field in schema.fields if not field.readonly]
    return found


def unique_targets(schema: Schema, action: Action) -> tuple[str, ...]:
    """The keys of the targets whose values may appear only once in a file."""
    keys = [action.key] if action.key else []
    if not action.deletes:
        keys.append("external_id")
        if schema.name_rules.unique:
            keys.append("name")
    return tuple(dict.fromkeys(keys))


def target_key(name: str, offered: Iterable[Target]) -> str:
    """The key of the target that programs call `name`. Raises MappingRefused when it
    is not offered."""
    keys_by_name: dict[str, str] = {}
    for target in offered:
        # A field may have the key of a member, such as "name". The member is meant
        # then; it comes first.
        keys_by_name.setdefault(target.api_name, target.key)
    if name not in keys_by_name:
        available = ", ".join(keys_by_name) or "nothing"
        raise MappingRefused(
            [f"This action cannot fill a field {name!r}. It can fill: {available}."]
        )
    return keys_by_name[name]


def _record_key(key: str) -> Target:
    label = {"id": "Zendesk ID", "external_id": "External ID"}[key]
    return Target(key, label, "key", required=True, help="Identifies the record.")


def _name(schema: Schema, action: Action) -> Target:
    hints = []
    if action is Action.UPSERT_BY_EXTERNAL_ID:
        hints.append(REQUIRED_FOR_NEW)
    if schema.name_rules.unique:
        hints.append("Unique in this object.")
    required = action in {Action.CREATE, Action.UPSERT_BY_NAME}
    return Target("name", "Name", "text", required, " ".join(hints))


def _optional_external_id() -> Target:
    hint = "Your own ID, unique in this object."
    return Target("external_id", "External ID", "text", required=False, help=hint)


def _field(field: Field, action: Action) -> Target:
    hints = [field.description] if field.description else []
    if field.required and action.is_upsert:
        hints = [_as_sentence(hint) for hint in hints]
        hints.append(REQUIRED_FOR_NEW)
    return Target(
        key=f"{FIELD}{field.key}",
        label=field.title or field.key,
        type=field.type,
        required=field.required and action is Action.CREATE,
        help=" ".join(hints),
    )


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
