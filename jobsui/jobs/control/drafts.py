"""Drafts: jobs that are not launched yet."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import transaction

from jobsui.connections.models import Connection
from jobsui.jobs import retention
from jobsui.jobs.control import corrections
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import NotPossibleNow, UploadRefused
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.options import Options, RefuseChanged
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of
from jobsui.jobs.models import File, Job, SavedMapping
from jobsui.jobs.preparation import file_reading

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LAUNCHED_ALREADY = "This job was already launched. Its {} can no longer be changed."


def create_draft(
    connection: Connection,
    object_key: str,
    action: str,
    file: File,
    *,
    by: "User | None",
    mapping: Mapping[str, str] | None = None,
    rules: Mapping[str, Rule] | None = None,
    options: Options | None = None,
    saved_mapping: SavedMapping | None = None,
) -> Job:
    """A new job to map, check and launch. `mapping`: {column: target key}; None: not
    chosen yet. `rules`: {target key: rule}. `saved_mapping`: the one to map it with once
    its file is read. Raises UploadRefused when the file's content was deleted."""
    _require_kept(file)
    job = Job(
        connection=connection,
        object_key=object_key,
        action=Action(action),
        file=file,
        mapping=dict(mapping or {}),
        rules=_stored(rules or {}),
        saved_mapping=saved_mapping,
        created_by=by,
    )
    own_options = replace(options or Options(), prefix=job.code.hex[:12])
    job.options = own_options.to_json()
    job.save()
    return job


def _stored(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """As a job has them."""
    return {target: rule.to_json() for target, rule in rules.items() if rule != NO_RULE}


def set_mapping(
    job: Job,
    mapping: dict[str, str],
    options: Options,
    *,
    by: Actor,
    rules: Mapping[str, Rule] | None = None,
) -> None:
    """Save the mapping of a draft. The draft must be checked again then. `rules`: {target
    key: rule}; None: targets keep theirs, but a mapped column replaces a constant. Raises
    NotPossibleNow once launched."""
    mapped = set(mapping.values())
    if rules is None:
        kept = rules_of(job.rules)
        rules = {
            target: replace(rule, constant="") if target in mapped else rule
            for target, rule in kept.items()
        }
    own_rules = {
        target: rule
        for target, rule in rules.items()
        if target in mapped or rule.constant
    }
    prefix = Options.from_json(job.options).prefix
    own_options = replace(options, prefix=prefix)
    changed = lifecycle.edit_draft(
        job,
        by=by,
        changed="mapping",
        mapping=mapping,
        rules=_stored(own_rules),
        options=own_options.to_json(),
        saved_mapping=job.saved_mapping if mapping else None,
    )
    if not changed:
        raise NotPossibleNow(LAUNCHED_ALREADY.format("mapping"))


def set_target(
    job: Job,
    connection: Connection,
    object_key: str,
    action: str,
    file: File | None = None,
    *,
    by: Actor,
) -> None:
    """Choose another connection, object or action for a draft, and another file if one
    is given, to which its corrections do not apply. Its mapping stays with the same object
    and action, even if the new file lacks some of its columns. Otherwise options that do not
    apply to the action are reset, and what to do with the records that only the account has.
    Raises NotPossibleNow once launched, and UploadRefused when the new file's content was
    deleted."""
    if file is not None:
        _require_kept(file)
    replaced = job.file
    target = (connection.pk, object_key, action)
    is_same_target = target == (job.connection_id, job.object_key, job.action)
    options = Options.from_json(job.options)
    if not is_same_target:
        options = replace(options.for_action(Action(action)), match=None)
    changed = lifecycle.edit_draft(
        job,
        by=by,
        changed="file" if file else "target",
        connection=connection,
        object_key=object_key,
        action=Action(action),
        file=file or job.file,
        mapping=job.mapping if is_same_target else {},
        rules=job.rules if is_same_target else {},
        options=job.options | options.to_json(),
        saved_mapping=job.saved_mapping if is_same_target else None,
        # Another file has no rows of the parent.
        parent=None if file else job.parent,
        parent_rows="" if file else job.parent_rows,
        cause=None if file else job.cause,
    )
    if not changed:
        raise NotPossibleNow(LAUNCHED_ALREADY.format("target"))
    if file and file != replaced:
        corrections.delete_all(job, by=by)
    delete_unused_file(replaced)


def set_file_settings(job: Job, *, by: Actor, **settings: Any) -> None:
    """Read the file of a draft again, with these settings (file_reading.reread), and delete
    its corrections. Raises
    NotPossibleNow once launched, and when another job has the same file."""
    if job.file.jobs.exclude(pk=job.pk).exists():
        raise NotPossibleNow(
            "Another job uses this file too. To read it with other settings, upload it again."
        )
    set_target(job, job.connection, job.object_key, job.action, by=by)
    file_reading.reread(job.file, **settings)
    corrections.delete_all(job, by=by)


def set_invalid_rows(job: Job, choice: str, *, by: Actor) -> None:
    """Choose after the check whether invalid rows prevent the launch ("stop") or are
    left out ("skip"). The check remains valid. Raises NotPossibleNow before it."""
    invalid = "skip" if choice == "skip" else "stop"
    choose(job, "invalid rows", by=by, invalid=invalid)


def set_warned_rows(job: Job, choice: str, *, by: Actor) -> None:
    """Choose after the check whether rows that Zendesk may refuse are sent ("send") or left
    out ("skip"), or prevent the launch ("stop"). The check remains valid. Raises
    NotPossibleNow before it."""
    warnings = choice if choice in {"skip", "stop"} else "send"
    choose(job, "rows with warnings", by=by, warnings=warnings)


def set_reads(
    job: Job, *, keep_undo: bool, refuse_changed: RefuseChanged, by: Actor
) -> None:
    """Choose after the check what records are read for right before each batch is sent: to
    keep what they hold, or to send no row whose record has changed since the comparison.
    The check remains valid. Raises NotPossibleNow before it."""
    reads = {"keep_undo": keep_undo, "refuse_changed": refuse_changed}
    choose(job, "what is read before batches are sent", by=by, **reads)


def choose(job: Job, chosen: str, *, by: Actor, **members: Any) -> None:
    """Set these options of a checked draft, whose check stays valid. `chosen`: what they are
    about, as a noun. Raises NotPossibleNow before the check."""
    before = Options.from_json(job.options)
    after = replace(before, **members)
    with transaction.atomic():
        options = after.to_json()
        if not Job.objects.change(job, expected=(JobState.READY,), options=options):
            raise NotPossibleNow("This job must be checked first.")
        if after != before:
            lifecycle.record_choice(job, chosen, by=by)


def discard(job: Job) -> None:
    """Delete a draft, and its file unless another job has it. Raises NotPossibleNow
    once launched."""
    with transaction.atomic():
        drafts = Job.objects.drafts().filter(pk=job.pk)
        deleted, _ = drafts.delete()
        if not deleted:
            raise NotPossibleNow(
                "This job was already launched. It stays in the history."
            )
        delete_unused_file(job.file)


def _require_kept(file: File) -> None:
    if deleted := retention.file_notice(file):
        raise UploadRefused(deleted)


def delete_unused_file(file: File) -> None:
    """Delete a file that no job has. If it is stored on another machine, that machine's
    sweep deletes it."""
    if file.is_here and not file.jobs.exists():
        file.delete()
        transaction.on_commit(file.delete_content)
