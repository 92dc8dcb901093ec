"""What the check asks the account about a sample of the rows: which records exist, why few of
them do, and whether there is room for new ones. It takes few requests, each in its turn. What
cannot be read is not checked, and the page says so."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from jobsui.connections import proxy_reads
from jobsui.connections.credentials import SignedClient
from jobsui.connections.errors import ConnectionsError, explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs import account_client
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.check_scope import NOT_CHECKED
from jobsui.jobs.mapping.field_targets import api_name, schema_of
from jobsui.jobs.mapping.json_texts import decoded, encoded
from jobsui.jobs.mapping.key_rewritings import ENOUGH
from jobsui.jobs.models import AccountFacts, Job
from jobsui.jobs.preparation.key_damage import diagnosis
from jobsui.jobs.preparation.key_damage.diagnosis import MIN_KEYS
from jobsui.jobs.preparation.key_damage.look_ups import LookUps
from jobsui.jobs.preparation.key_damage.notices import KEY_LABELS
from jobsui.jobs.preparation.row_sample import MAX_NAMES, RowSample
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import SHOWN_LISTS
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    Refused,
    Unauthorized,
    ZendeskError,
)
from jobsui.zendesk.payloads import Field, Record

PAGE_SIZE = 100
MAX_SECONDS = 20.0
"""How long all reads together may take, because a person waits for them."""
CUSTOM_OBJECT = "zen:custom_object:"
EXTERNAL_ID = "external_id:"
NAME = "name:"
NUMBER = re.compile("[1-9][0-9]{0,17}")
"""IDs of users, organizations and tickets."""


class _Unavailable(Exception):
    """The account cannot be asked now. Carries the reason as a sentence."""


class _NotShown(Exception):
    """The connection is not allowed to read this. Carries the reason as a sentence."""


def read(job: Job, sample: RowSample, keep: Callable[[], object]) -> AccountFacts:
    """The facts about these values, not saved yet. `keep` is called between the requests,
    and may raise an exception to stop."""
    reader = _Reader(job, sample, keep)
    try:
        reader.read_all()
    except _Unavailable as reason:
        reader.note(NOT_CHECKED, f"Not everything was checked in Zendesk. {reason}")
    return reader.facts


class _Reader:
    def __init__(self, job: Job, sample: RowSample, keep: Callable[[], object]) -> None:
        self.facts = AccountFacts(job=job)
        self._job = job
        self._action = Action(job.action)
        self._sample = sample
        self._keep = keep
        self._schema = schema_of(job)
        self._client: SignedClient | None = None
        self._existing_records: dict[str, Record] = {}
        """{key: record} of the sampled keys that exist."""
        self._started = time.monotonic()

    def note(self, code: str, message: str, fix: str = "", count: int = 0) -> None:
        notice = {"code": code, "message": message, "fix": fix, "count": count}
        self.facts.notices.append(notice)

    def read_all(self) -> None:
        """Raises _Unavailable."""
        if self._sample.rows and not (
            self._action.deletes or self._action is Action.UPDATE
        ):
            self._about("Whether the account has room", self._read_record_limit)
        if self._sample.keys.found:
            self._about("Which records exist", self._read_keys)
        if self._sample.names.found:
            self._about("Which names are taken", self._read_names)
        for target, values in self._sample.references.items():
            field = self._schema.field(api_name(target))
            if field and values.found:
                self._read_field(target, field)
        if self._may_have_damaged_keys:
            self._about("Whether the keys are right", self._find_damage)

    def _about(self, topic: str, read: Callable[[], None]) -> None:
        """What Zendesk refuses to show is left out."""
        try:
            read()
        except Refused as error:
            self.note(NOT_CHECKED, f"{topic} was not checked. {explain(error)}")
        except _NotShown as reason:
            self.note(NOT_CHECKED, f"{topic} was not checked. {reason}")

    def _read_record_limit(self) -> None:
        count, limit = self._call(custom_objects.record_limit)
        room = max(0, limit - count)
        if self._sample.rows <= room:
            return
        creates = "creates" if self._action is Action.CREATE else "may create up to"
        self.note(
            "record_limit",
            f"The account can hold {limit:,} records and has {count:,}. This job {creates} "
            f"{self._sample.rows:,} more.",
            "Delete records that are no longer needed, or send fewer rows.",
            count=self._sample.rows - room,
        )

    def _read_keys(self) -> None:
        key = self._action.key_of_records
        keys = [decoded(content) for content in self._sample.keys.found]
        existing = {
            _key_of(record, key): record
            for record in self._records(self._job.object_key, key, keys)
        }
        self._existing_records = existing
        if self._action is Action.UPDATE or self._action.deletes:
            # Keys with a comma are searched for, and the search may lag.
            missing = [
                each for each in keys if each not in existing and "," not in each
            ]
            self.facts.missing_keys = encoded(missing)
        else:
            self.facts.existing_keys = encoded(
                [each for each in keys if each in existing]
            )
        if self._sample.keys.is_cut:
            self.note(
                "sampled",
                f"{len(keys):,} {KEY_LABELS[key]} from all over the file were looked up in "
                "Zendesk, and the others were not.",
            )

    @property
    def _may_have_damaged_keys(self) -> bool:
        """Whether records should exist, but few do, as far as is known."""
        if self._action.key not in {"id", "external_id"}:
            return False
        if self._action.is_upsert:
            # Only the keys of rows that could not become new records were looked up.
            return self._sample.rows >= MIN_KEYS
        wanted = len(self._sample.keys.found)
        if wanted < MIN_KEYS:
            return False
        if self._action is Action.DELETE_BY_EXTERNAL_ID:
            # Another account has the same numbers, and deletes cannot fail because of it.
            return True
        return len(self._existing_records) < ENOUGH * wanted

    def _find_damage(self) -> None:
        look_ups = LookUps(self._job.connection, self._look_up, self._look_up_elsewhere)
        keys = [decoded(content) for content in self._sample.keys.found]
        look_ups.add_known(self._action.key, keys, self._existing_records)
        rows = self._sample.rows_of_file()
        found = diagnosis.diagnose(self._job, rows, look_ups)
        if found.notice:
            self.facts.notices.insert(0, found.notice)
        if found.unproven_share is not None:
            self._note_deletions(found.unproven_share)

    def _note_deletions(self, share: float) -> None:
        """Say how many records of the object a file with only keys would delete. `share`: the share
        of its keys that have a record."""
        records = round(self._sample.rows * share)
        total = self._call(
            partial(custom_objects.count_records, key=self._job.object_key)
        )
        about = "About " if share < 1 else ""
        known = CustomObject.objects.filter(
            connection=self._job.connection, key=self._job.object_key
        ).first()
        title = known.title if known and known.title else self._job.object_key
        numbers = f"{about}{records:,} of {max(total, records):,} records of {title}"
        self.note(
            "keys_only",
            f"{numbers} would be deleted. The file has no other values that show whether these "
            "are the records that it means.",
            "Check connection, object and keys.",
            count=records,
        )

    def _look_up(self, key: str, values: Sequence[str]) -> list[Record]:
        return self._call(
            partial(_READS[key], key=self._job.object_key, values=list(values))
        )

    def _look_up_elsewhere(
        self, connection: Connection, key: str, values: Sequence[str]
    ) -> list[Record] | None:
        self._keep()
        if time.monotonic() - self._started > MAX_SECONDS:
            return None
        read = partial(_READS[key], key=self._job.object_key, values=list(values))
        try:
            client = account_client.client_for(connection)
            return client.renewing(lambda: read(client))
        except ZendeskError as error:
            account_client.postpone(connection, error)
            return None
        except ConnectionsError:
            return None

    def _read_names(self) -> None:
        names = [decoded(content) for content in self._sample.names.found]
        records = self._records(self._job.object_key, "name", names)
        self.facts.taken_names = dict(
            encoded([record.name, record.external_id]) for record in records
        )
        if self._sample.names.is_cut:
            self.note(
                "sampled",
                f"{len(names):,} names from all over the file were looked up in Zendesk, "
                "and the others were not.",
            )

    def _read_field(self, target: str, field: Field) -> None:
        self._about(
            f"What {field.title or field.key} refers to",
            lambda: self._read_references(target, field),
        )

    def _read_references(self, target: str, field: Field) -> None:
        """Raises _NotShown."""
        label = field.title or field.key
        values = self._sample.references[target]
        contents = {decoded(content): content for content in values.found}
        by_key: dict[str, dict[str, str]] = {"external_id": {}, "name": {}, "id": {}}
        for value, content in contents.items():
            if value.startswith(EXTERNAL_ID):
                by_key["external_id"][value.removeprefix(EXTERNAL_ID)] = content
            elif value.startswith(NAME):
                by_key["name"][value.removeprefix(NAME)] = content
            else:
                by_key["id"][value] = content
        missing: list[str] = []
        looked_up = 0
        is_cut = values.is_cut
        for key, wanted in by_key.items():
            asked = list(wanted)[: MAX_NAMES if key == "name" else None]
            if asked and not _can_look_up(field, key):
                self.note(
                    NOT_CHECKED,
                    f"{label} has {KEY_LABELS[key]} of {field.target_noun}s. Whether they exist "
                    "was not checked.",
                )
                continue
            existing = self._existing(field, key, asked)
            looked_up += len(asked)
            is_cut = is_cut or len(asked) < len(wanted)
            missing += [
                wanted[each]
                for each in asked
                if each not in existing and "," not in each
            ]
        self.facts.missing_references[target] = missing
        if looked_up and is_cut:
            self.note(
                "sampled",
                f"{looked_up:,} different values of {label} from all over the "
                "file were looked up in Zendesk, and the others were not.",
            )

    def _existing(self, field: Field, key: str, values: list[str]) -> set[str]:
        """Which of the values belong to something that the field may refer to. Raises
        _NotShown."""
        if field.target_type not in SHOWN_LISTS:
            records = self._records(field.target, key, values)
            return {_key_of(record, key) for record in records}
        if key == "id":
            values = [value for value in values if NUMBER.fullmatch(value)]
        shown: list[Record] = []
        for page in _pages(values, PAGE_SIZE):
            read = partial(
                _show_many, target_type=field.target_type, key=key, values=page
            )
            shown += self._call(read)
        # Case does not matter in external IDs of users and organizations.
        existing = {_key_of(each, key).lower() for each in shown}
        return {value for value in values if value.lower() in existing}

    def _records(self, object_key: str, key: str, values: list[str]) -> list[Record]:
        """The records that have one of these keys."""
        found: list[Record] = []
        for page in _pages(values, 1 if key == "name" else PAGE_SIZE):
            read = partial(_READS[key], key=object_key, values=page)
            found += self._call(read)
        return found

    def _call[T](self, call: Callable[[Client], T]) -> T:
        """Raises Refused and _Unavailable, and what `keep` raises."""
        self._keep()
        if time.monotonic() - self._started > MAX_SECONDS:
            raise _Unavailable("The account took too long to answer.")
        try:
            client = self._client or account_client.client_for(self._job.connection)
            self._client = client
            return client.renewing(lambda: call(client))
        except proxy_reads.Busy as busy:
            raise _Unavailable(
                "Jobs and programs use all requests of the account at the moment."
            ) from busy
        except Unauthorized as error:
            raise _Unavailable(explain(error)) from error
        except Refused:
            raise
        except ZendeskError as error:
            account_client.postpone(self._job.connection, error)
            raise _Unavailable(explain(error)) from error
        except ConnectionsError as error:
            raise _Unavailable(str(error)) from error


def _by_id(client: Client, key: str, values: list[str]) -> list[Record]:
    return custom_objects.records_by_ids(client, key, values)


def _by_external_id(client: Client, key: str, values: list[str]) -> list[Record]:
    return custom_objects.records_by_external_ids(client, key, values)


def _by_name(client: Client, key: str, values: list[str]) -> list[Record]:
    return [
        record
        for name in values
        for record in custom_objects.records_by_name(client, key, name)
    ]


def _show_many(
    client: Client, target_type: str, key: str, values: list[str]
) -> list[Record]:
    """Raises _NotShown where the connection is not allowed to read them. SignedClient must
    not see that refusal: it would ask for a token with wider scopes, which jobs do not need."""
    try:
        return custom_objects.show_many(client, target_type, f"{key}s", values)
    except (Forbidden, NotFound):
        name = SHOWN_LISTS[target_type]
        raise _NotShown(f"This connection is not allowed to read {name}.") from None


def _can_look_up(field: Field, key: str) -> bool:
    if field.target_type.startswith(CUSTOM_OBJECT):
        return True
    if field.target_type == "zen:ticket":
        return key == "id"
    return field.target_type in SHOWN_LISTS and key != "name"


_READS = {"id": _by_id, "external_id": _by_external_id, "name": _by_name}


def _pages(values: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _key_of(record: Record, key: str) -> str:
    return str(getattr(record, key))
