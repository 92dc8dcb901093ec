"""Saved mappings: how the columns of files of the same kind fill the fields of an object.
A person saves the mapping of a job under a name, and uses it for the next file.

A draft with a saved mapping and no mapping of its own waits for its file to be read; then
automation maps and checks it. Where its file or the fields of its object differ from what
the mapping was saved for, it stops, and a person reviews the differences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet

from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action, FileState
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.field_targets import schema_of, targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import rules_of
from jobsui.jobs.mapping.schema_changes import field_facts, schema_changes
from jobsui.jobs.models import File, Job, SavedMapping
from jobsui.jobs.preparation import file_formats
from jobsui.zendesk.payloads import Schema

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_OFFERS = 5
LARGE_COLUMNS = ("columns", "rules", "fields")
"""Lists do not show them."""
OF_ONE_FILE = ("prefix", "invalid", "warnings", "match")
"""Members of the options that are decided for each file."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a saved mapping fits a file and the present fields of its object."""

    mapping: dict[str, str]
    """{column: target key} of what can be filled. With the columns that are missing, so
    that the check refuses it until a person has chosen others."""
    rules: dict[str, dict[str, Any]]
    """{target key: members of the rule} of what can be filled."""
    missing_columns: list[str]
    changes: list[str] = field(default_factory=list)
    """Sentences about fields that have changed."""
    new_columns: list[str] = field(default_factory=list)
    """Columns that the file of the saved mapping did not have."""
    settings: list[str] = field(default_factory=list)
    """Sentences about settings with which the file was not read as the saved ones say."""

    @property
    def problems(self) -> list[str]:
        """Sentences about what a person must review before the mapping is used."""
        return [*map(_missing, self.missing_columns), *self.changes]


def save(job: Job, name: str, *, by: "User | None") -> SavedMapping:
    """Save the mapping of a draft or job under this name, as a new version if the name
    exists. A mapping that is as the newest version has it is not saved again. Raises
    NotPossibleNow when nothing is mapped."""
    if job.file.is_raw_items or not job.mapping:
        raise NotPossibleNow("Nothing is mapped yet. Map columns before you save.")
    action = Action(job.action)
    content = {
        "action": action,
        "columns": job.file.columns,
        "mapping": job.mapping,
        "rules": job.rules,
        "options": _lasting(job.options),
        "file_settings": job.file.chosen,
        "fields": field_facts(schema_of(job), action, _used(job.mapping, job.rules)),
    }
    saved = _save_version(job, name.strip(), content, by=by)
    Job.objects.filter(pk=job.pk).update(saved_mapping=saved)
    job.saved_mapping = saved
    return saved


def newest(known: QuerySet[SavedMapping]) -> QuerySet[SavedMapping]:
    """Of each name, only the newest version."""
    newer = SavedMapping.objects.filter(
        connection=OuterRef("connection"),
        object_key=OuterRef("object_key"),
        name=OuterRef("name"),
        version__gt=OuterRef("version"),
    )
    return known.filter(~Exists(newer))


def versions(saved: SavedMapping) -> QuerySet[SavedMapping]:
    """All versions of the name, the newest first."""
    return SavedMapping.objects.filter(
        connection=saved.connection_id, object_key=saved.object_key, name=saved.name
    )


def offers(job: Job) -> list[SavedMapping]:
    """The saved mappings of the draft's object and action whose columns its file has,
    those that use the most columns first."""
    if job.file.is_raw_items or job.parent_id or job.file.state != FileState.READY:
        return []
    known = SavedMapping.objects.filter(
        connection=job.connection, object_key=job.object_key, action=job.action
    )
    columns = set(job.file.columns)
    found = [saved for saved in newest(known) if columns.issuperset(_sources(saved))]
    found.sort(key=lambda saved: (-len(saved.mapping), saved.name))
    return found[:MAX_OFFERS]


def use(job: Job, saved: SavedMapping, *, by: Actor) -> None:
    """Map a draft with a saved mapping, once its file is read. What was mapped before is
    discarded. Raises NotPossibleNow when it was launched, and when the mapping is for
    another object or action."""
    require_same_target(saved, job.connection_id, job.object_key, job.action)
    options = Options.from_json(job.options).to_json()
    changed = lifecycle.edit_draft(
        job,
        by=by,
        changed="mapping",
        mapping={},
        rules={},
        options=options | _lasting(saved.options),
        saved_mapping=saved,
    )
    if not changed:
        raise NotPossibleNow(drafts.LAUNCHED_ALREADY.format("mapping"))


def require_same_target(
    saved: SavedMapping, connection_id: int, object_key: str, action: str
) -> None:
    """Raise NotPossibleNow unless the mapping was saved for this object and action."""
    own = (saved.connection_id, saved.object_key, saved.action)
    if own != (connection_id, object_key, action):
        raise NotPossibleNow(
            f"{full_name(saved)} maps columns for the action {saved.action} of the "
            f"object {saved.object_key} in {saved.connection}."
        )


def delete(saved: SavedMapping) -> None:
    """Delete all versions of a name. Jobs that were mapped with it keep their mapping.
    Drafts that wait for it need a person."""
    every = versions(saved)
    waiting = Job.objects.drafts().filter(saved_mapping__in=every, mapping={})
    with transaction.atomic():
        waiting.exclude(auto_target="").update(
            auto_target="",
            reason=f"The saved mapping “{saved.name}” was deleted. Map the columns yourself.",
            version=F("version") + 1,
        )
        every.delete()


def full_name(saved: SavedMapping) -> str:
    """ "“Monthly assets”, version 3,"."""
    return f"“{saved.name}”, version {saved.version},"


def options_of(saved: SavedMapping) -> Options:
    return Options.from_json(saved.options)


def fit(saved: SavedMapping, file: File, schema: Schema) -> Fit:
    """`file` was read."""
    columns = set(file.columns)
    offered = {target.key for target in targets(schema, Action(saved.action))}
    mapping = {column: key for column, key in saved.mapping.items() if key in offered}
    rules = {key: rule for key, rule in saved.rules.items() if key in offered}
    known_columns = set(saved.columns)
    return Fit(
        mapping=mapping,
        rules=rules,
        missing_columns=[name for name in _sources(saved) if name not in columns],
        changes=changes(saved, schema),
        new_columns=[name for name in file.columns if name not in known_columns],
        settings=_other_settings(saved, file),
    )


def changes(saved: SavedMapping, schema: Schema) -> list[str]:
    """Sentences about the fields that have changed since it was saved."""
    used = _used(saved.mapping, saved.rules)
    return schema_changes(saved.fields, schema, Action(saved.action), used)


def fit_of(job: Job) -> Fit | None:
    """How the saved mapping of a draft fits. None: it has none, or its file is not read."""
    if job.saved_mapping is None or job.file.state != FileState.READY:
        return None
    return fit(job.saved_mapping, job.file, schema_of(job))


def is_pending(job: Job) -> bool:
    """Whether a draft waits for its saved mapping to be used."""
    return job.saved_mapping_id is not None and not job.mapping


def is_changed(job: Job) -> bool:
    """Whether the mapping of a job is no longer the saved one."""
    saved = job.saved_mapping
    if saved is None:
        return False
    return not _is_mapped_so(job, saved.mapping, saved.rules)


def apply(job: Job, *, by: Actor) -> None:
    """Map a draft as its saved mapping says, unless a person has changed it since. Raises
    MappingRefused when a person must review it; what fits is mapped then."""
    found = fit_of(job)
    if found is None or job.saved_mapping is None:
        return
    reason = review_reason(job, found)
    if is_pending(job) and found.mapping:
        drafts.set_mapping(
            job,
            found.mapping,
            Options.from_json(job.options),
            by=by,
            rules=rules_of(found.rules),
        )
    elif not _is_mapped_so(job, found.mapping, found.rules):
        return
    if reason:
        raise MappingRefused([reason])


def review_reason(job: Job, found: Fit) -> str:
    """Why a person must review how a draft is mapped; "" if there is no reason."""
    if job.saved_mapping is None or not found.problems:
        return ""
    first = f"{full_name(job.saved_mapping)} must be reviewed."
    return " ".join([first, *found.problems])


def require_columns(job: Job) -> None:
    """Raise MappingRefused if the file lacks columns of the draft's saved mapping."""
    found = fit_of(job)
    if found and found.missing_columns:
        raise MappingRefused([_missing(column) for column in found.missing_columns])


def settings_to_read_with(saved: SavedMapping, file: File) -> dict[str, Any]:
    """The saved file settings with which the file must be read again. {}: none. Settings
    that a person chose for this file remain, and an encoding that is certain does."""
    if file.chosen:
        return {}
    proposed = [proposal["encoding"] for proposal in file.proposals]
    if proposed and saved.file_settings.get("encoding") not in proposed:
        return {}
    settings = {
        name: value
        for name, value in saved.file_settings.items()
        if name in file_formats.possible_settings(file)
    }
    if not proposed:
        settings.pop("encoding", None)
    if settings.get("sheet") not in file.sheets:
        settings.pop("sheet", None)
    is_as_saved = all(getattr(file, name) == value for name, value in settings.items())
    return settings if proposed or not is_as_saved else {}


def _is_mapped_so(
    job: Job, mapping: Mapping[str, str], rules: Mapping[str, Mapping[str, Any]]
) -> bool:
    return job.mapping == mapping and rules_of(job.rules) == rules_of(rules)


def _save_version(
    job: Job, name: str, content: Mapping[str, Any], *, by: "User | None"
) -> SavedMapping:
    if not name:
        raise NotPossibleNow("Enter a name for the mapping.")
    known = SavedMapping.objects.filter(
        connection=job.connection, object_key=job.object_key, name=name
    )
    latest = known.first()
    if latest and all(getattr(latest, key) == value for key, value in content.items()):
        return latest
    try:
        with transaction.atomic():
            last = known.aggregate(last=Max("version"))["last"] or 0
            return SavedMapping.objects.create(
                connection=job.connection,
                object_key=job.object_key,
                name=name,
                version=last + 1,
                created_by=by,
                **content,
            )
    except IntegrityError:
        raise NotPossibleNow(
            f"“{name}” was saved by someone else at this moment. Save it again."
        ) from None


def _lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in OF_ONE_FILE}


def _used(
    mapping: Mapping[str, str], rules: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """The targets that are filled."""
    constants = {key for key, rule in rules.items() if rule.get("constant")}
    return {*mapping.values(), *constants}


def _sources(saved: SavedMapping) -> list[str]:
    """The columns that it needs, in the order of its file."""
    needed = dict.fromkeys(saved.mapping)
    for rule in saved.rules.values():
        needed |= dict.fromkeys(rule.get("also", ()))
    in_order = [column for column in saved.columns if column in needed]
    return list(dict.fromkeys([*in_order, *needed]))


def _missing(column: str) -> str:
    return f"The file has no column “{column}”."


def _other_settings(saved: SavedMapping, file: File) -> list[str]:
    """Sentences about saved settings with which the file was not read."""
    found = []
    for name, value in saved.file_settings.items():
        own = getattr(file, name)
        if own == value or name not in file_formats.possible_settings(file):
            continue
        now = file_formats.setting_words(name, own)
        then = file_formats.setting_words(name, value)
        found.append(
            f"{file_formats.SETTING_LABELS[name]}: {now}, not {then} as saved."
        )
    return found
