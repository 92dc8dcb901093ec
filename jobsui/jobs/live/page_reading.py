"""Reads the records of one page of rows, and decides what each row would do."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobsui.jobs.enums import Action, Outcome, Purpose, Verdict
from jobsui.jobs.live import undo_rows
from jobsui.jobs.live.claims import Claims, LaterJobs
from jobsui.jobs.live.keys_of_file import KeysOfFile
from jobsui.jobs.live.matching import matched
from jobsui.jobs.live.proof import StoredForm, proved
from jobsui.jobs.live.reasons import Reason
from jobsui.jobs.live.undo import NO_IMAGE, Done, needs_record, undone
from jobsui.jobs.records import keyed_reads
from jobsui.jobs.records.compare import Image, compared, key_of
from jobsui.zendesk.client import Client
from jobsui.zendesk.payloads import Json, Record, Schema


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a job are compared."""

    object_key: str
    action: Action
    schema: Schema
    later_jobs: LaterJobs | None = None
    """Of an undo: the jobs that were launched after the one that is undone."""
    no_image: str = ""
    """Of an undo: why it is not known what records held; "" if that was never kept."""
    ids_of_names: Callable[[Sequence[str]], list[str]] | None = None
    """{names: the IDs of the records that may have them}, if names are found by a list."""
    fields: Collection[str] | None = None
    """Of an undo: the names of the values to put back; None: all."""
    keys_of_file: KeysOfFile | None = None
    """Of a comparison that also finds the records that only the account has."""


@dataclass(slots=True)
class PageFound:
    """What was found out about the rows of a page."""

    verdicts: bytes
    """A Verdict for each row."""
    record_ids: list[str]
    """The ID of each row's record; "" if it has none."""
    images: dict[int, Image] = field(default_factory=dict)
    """By the index of the row in the page."""
    items: list[bytes] = field(default_factory=list)
    """Of an undo: what would be sent of each row."""
    reasons: dict[int, Sequence[Reason]] = field(default_factory=dict)
    """By the index of the row: why it is kept or cannot be undone."""
    changed: Counter[str] = field(default_factory=Counter)
    """How many values change, by their names."""
    blanks: Counter[str] = field(default_factory=Counter)
    """How many of them become blank."""
    forms: set[tuple[str, str]] = field(default_factory=set)
    """Of a proof: (key of a field, form in which the account stored its value)."""
    equal: list[StoredForm] = field(default_factory=list)
    """Of a proof: values that the records hold in another form."""


def prove_page(client: Client, rows: Rows, lines: Sequence[bytes]) -> PageFound:
    """`lines` are those of `sent_rows`. Raises the errors of `Client.call`."""
    sent = _decoded(lines)
    found = _records_of(client, rows, sent)
    results = [
        proved(each, rows.schema, records)
        for each, records in zip(sent, found, strict=True)
    ]
    page = PageFound(
        verdicts=bytes(result.landing for result in results),
        record_ids=[each["id"] for each in sent],
    )
    for index, result in enumerate(results):
        if result.image is not None:
            page.images[index] = result.image
        page.changed.update(result.altered)
        page.equal += result.equal
        page.forms.update(
            (key, form) for key, forms in result.forms.items() for form in forms
        )
    return page


def _records_of(
    client: Client, rows: Rows, sent: Sequence[Mapping[str, Json]]
) -> list[Sequence[Record]]:
    """The records of each row: by ID if Zendesk has named it, otherwise by key."""
    ids = [each["id"] for each in sent if each["id"]]
    by_id = keyed_reads.read(client, rows.object_key, "id", ids).records if ids else {}
    keys = {index: _key(each) for index, each in enumerate(sent) if not each["id"]}
    by_key = (
        keyed_reads.read(
            client, rows.object_key, rows.action.key_of_records, list(keys.values())
        ).records
        if keys
        else {}
    )
    return [
        by_id.get(each["id"], ()) if each["id"] else by_key.get(keys[index], ())
        for index, each in enumerate(sent)
    ]


def _key(sent: Mapping[str, Json]) -> str:
    action = Action(sent["action"])
    item = sent["item"]
    return str(item if action.deletes else item.get(action.key_of_records, ""))


def compare_page(client: Client, rows: Rows, lines: Sequence[bytes]) -> PageFound:
    """`lines`: the item of each row. Raises the errors of `Client.call`."""
    items = _decoded(lines)
    keys = [key_of(item, rows.action) for item in items]
    if not items:
        return PageFound(b"", [])
    found = (
        keyed_reads.read_listed(client, rows.object_key, keys, rows.ids_of_names(keys))
        if rows.ids_of_names
        else keyed_reads.read(client, rows.object_key, rows.action.key, keys)
    )
    results = [
        compared(
            item,
            rows.action,
            rows.schema,
            found.records.get(key, ()),
            is_unknown=key in found.unknown,
        )
        for item, key in zip(items, keys, strict=True)
    ]
    page = PageFound(
        verdicts=bytes(result.verdict for result in results),
        record_ids=[result.record_id for result in results],
    )
    for index, result in enumerate(results):
        if result.image is not None:
            page.images[index] = result.image
            page.changed.update(result.changed)
            page.blanks.update(result.blanks)
    return page


def _decoded(lines: Sequence[bytes]) -> list[Json]:
    """Decodes all lines at once, because that is faster."""
    return list(json.loads(b"[%b]" % b",".join(filter(None, lines))))


def match_page(client: Client, rows: Rows, lines: Sequence[bytes]) -> PageFound:
    """`lines` are those of `account_listing`. Raises the errors of `Client.call`."""
    keys = rows.keys_of_file
    assert keys is not None  # noqa: S101  # Only such a comparison has these pages.
    ids = [json.loads(line)["id"] for line in lines]
    records = keyed_reads.read(client, rows.object_key, "id", ids).records
    results = []
    for record_id in ids:
        found = records.get(record_id, ())
        results.append(matched(found[0] if found else None, keys))
    page = PageFound(bytes(result.verdict for result in results), ids)
    for index, result in enumerate(results):
        if result.image is not None:
            page.images[index] = result.image
        if result.note:
            page.reasons[index] = [Reason(result.note)]
    return page


def undo_page(client: Client, rows: Rows, lines: Sequence[bytes]) -> PageFound:
    """`lines` are those of `undo_rows`. Raises the errors of `Client.call`."""
    all_done = _named(client, rows, map(undo_rows.done_of, _decoded(lines)))
    ids = [done.record_id for done in all_done if done.record_id and needs_record(done)]
    later = rows.later_jobs
    assert later is not None  # noqa: S101  # It is an undo.
    chains = later.chains_of(ids)
    present = {record_id: chain[-1] for record_id, chain in chains.items()}
    records = keyed_reads.read(
        client, rows.object_key, "id", list(present.values())
    ).records
    keys = [key for done in all_done if (key := _deleted_key(done))]
    taken = keyed_reads.read(client, rows.object_key, "external_id", keys)
    claims = later.claims_of(chains)
    results = []
    for done in all_done:
        found = records.get(present.get(done.record_id, ""), ())
        key = _deleted_key(done)
        results.append(
            undone(
                done,
                rows.schema,
                found[0] if found else None,
                claims.get(done.record_id, Claims()),
                is_taken=key in taken.records or key in taken.unknown,
                fields=rows.fields,
            )
        )
    page = PageFound(
        verdicts=bytes(result.verdict for result in results),
        record_ids=[done.record_id for done in all_done],
    )
    for index, result in enumerate(results):
        page.items.append(json.dumps(result.item, ensure_ascii=False).encode())
        if result.image is not None:
            page.images[index] = result.image
        if result.reasons:
            page.reasons[index] = _explained(result.reasons, rows)
        if result.verdict is Verdict.CHANGE and result.image is not None:
            page.changed.update(result.image.old.keys())
    return page


def _named(client: Client, rows: Rows, done_rows: Iterable[Done]) -> list[Done]:
    """Adds the IDs of records that a job created and whose ID Zendesk has not named. They are
    found by their external IDs."""
    all_done = list(done_rows)
    keys = [key for done in all_done if (key := _unnamed_key(done))]
    if not keys:
        return all_done
    records = keyed_reads.read(client, rows.object_key, "external_id", keys).records
    named = []
    for done in all_done:
        having = records.get(_unnamed_key(done), ())
        is_found = len(having) == 1
        named.append(replace(done, record_id=having[0].id) if is_found else done)
    return named


def _unnamed_key(done: Done) -> str:
    if done.record_id or done.outcome != Outcome.CREATED:
        return ""
    item = done.item if isinstance(done.item, Mapping) else {}
    return str(item.get("external_id") or "")


def _explained(found: Sequence[Reason], rows: Rows) -> list[Reason]:
    """If the old values were deleted, says why instead of saying that they were not kept."""
    if not rows.no_image:
        return list(found)
    deleted = Reason(rows.no_image)
    return [deleted if each == NO_IMAGE else each for each in found]


def _deleted_key(done: Done) -> str:
    """The external ID that a deleted record had; "" for other rows."""
    if done.outcome != Outcome.DELETED or done.image is None:
        return ""
    return str(done.image.old.get("external_id") or "")


READS: Mapping[Purpose, Callable[[Client, Rows, Sequence[bytes]], PageFound]] = {
    Purpose.COMPARE: compare_page,
    Purpose.UNDO: undo_page,
    Purpose.PROVE: prove_page,
}
