"""Why so few keys of a file have a record: they were damaged, stand in another column, or
belong to another account. A rewriting is proposed only if the records then hold what the file
has, because the numbers of one account exist in another one, too."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping import key_rewritings, matching
from jobsui.jobs.mapping.agreement import Agreement, Compared, agreement
from jobsui.jobs.mapping.comparison import RECORD_ID
from jobsui.jobs.mapping.field_targets import api_name, schema_of, targets
from jobsui.jobs.mapping.key_rewritings import ENOUGH, MIN_REWRITTEN, rises_clearly
from jobsui.jobs.mapping.repairs import GROUPED
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of
from jobsui.jobs.models import Job
from jobsui.zendesk.client import MAX_LISTED
from jobsui.zendesk.custom_objects import PAGE_SIZE, listings
from jobsui.zendesk.payloads import Json, Record

if TYPE_CHECKING:
    from jobsui.jobs.preparation.key_sample import SampledRow

type LookUp = Callable[[str, Sequence[str]], list[Record]]
"""The records that have these values ("id" or "external_id"), in one request."""
type LookUpElsewhere = Callable[[Connection, str, Sequence[str]], list[Record] | None]
"""The same in another account, or None if it does not answer."""

MIN_KEYS = 10
"""Fewer say nothing."""
MAX_REQUESTS = 25
"""With those of the keys as they are."""
CONFIRMING_REQUESTS = 4
"""Kept for the best two explanations."""
SCREENED = 40
"""The keys that each explanation is tried with at first."""
MAX_CONFIRMED = 2
MIN_SCREENED_SHARE = 0.2
MAX_OTHER_CONNECTIONS = 5
MAX_EXAMPLES = 10
MAX_KEY_LENGTH = 255
MIN_DISTINCT = 0.5
"""Of the cells of a column that may have keys."""
PROBABLY_OTHER = 0.5
"""With fewer of its keys in the account, a file is probably not meant for it."""
ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
ANOTHER_ACCOUNT = (
    "The file may be meant for another account. Check connection, object and keys."
)
LABELS = {"id": "Zendesk IDs", "external_id": "external IDs"}


@dataclass(slots=True)
class Explanation:
    """What the keys may be instead, tried with the rows that have no record."""

    key: str
    """"id" or "external_id": by what the records are found then."""
    values: Sequence[str]
    """The key of each row; "" for none."""
    words: str
    """"if padded to 8 digits"."""
    rule: Rule | None = None
    column: str = ""
    """Another column that has the keys."""


@dataclass(slots=True)
class _Known:
    """What was looked up in the job's account: (key, value), and its record if it has one."""

    records: dict[tuple[str, str], Record | None] = field(default_factory=dict)

    def of(self, key: str, value: str) -> Record | None:
        return self.records.get((key, value))


class KeyDamage:
    """Of one check."""

    def __init__(
        self, job: Job, look_up: LookUp, look_up_elsewhere: LookUpElsewhere
    ) -> None:
        self._job = job
        self._action = Action(job.action)
        self._key = self._action.key
        self._schema = schema_of(job)
        self._look_up_page = look_up
        self._look_up_elsewhere = look_up_elsewhere
        self._known = _Known()
        self._rows: Sequence[SampledRow] = ()
        self._own: Sequence[Record | None] = ()
        """The record of each row, by its key as it is."""
        self._before = 0
        """How many rows have one."""
        self._unproven: list[tuple[Explanation, int]] = []
        """Explanations that find records, and how many, of which nothing shows whether they are
        the same."""
        self._contradicted: list[tuple[Explanation, int]] = []
        """Explanations that find records of another content."""
        self.is_unproven = False
        """Whether the keys exist, and nothing shows whether these are the same records."""
        self.requests = 0
        """Made so far, with those of `add_known`."""

    def add_known(self, values: Iterable[str], records: Mapping[str, Record]) -> None:
        """Keys that were looked up before, and those of them that have a record."""
        asked = list(values)
        self.requests += -(-len(asked) // PAGE_SIZE)
        for value in asked:
            self._known.records[self._key, value] = records.get(value)

    def find(self, rows: Sequence["SampledRow"]) -> dict[str, Any] | None:
        """A notice if something is wrong with the keys. `rows`: from all over the file.
        Raises what the look-ups raise."""
        self._rows = [
            row for row in rows if "," not in row.key or GROUPED.fullmatch(row.key)
        ]
        if len(self._rows) < MIN_KEYS:
            return None
        keys = [row.key for row in self._rows]
        self._look_up(self._key, keys)
        self._own = [self._known.of(self._key, key) for key in keys]
        self._before = _count(self._own)
        if self._before >= ENOUGH * len(keys):
            return self._contradiction() if self._action.deletes else None
        return self._explained() or self._unexplained()

    @property
    def share(self) -> float:
        """Of the keys that have a record."""
        return self._before / len(self._rows) if self._rows else 0.0

    def _contradiction(self) -> dict[str, Any] | None:
        """A notice if the records that exist are not those that the rows mean: the numbers of
        another account exist, too."""
        contents = self._agreement(self._rows, self._own)
        self.is_unproven = contents is Agreement.UNKNOWN
        if contents is not Agreement.DISAGREES:
            return None
        elsewhere = self._in_other_account(is_contradicted=True)
        return elsewhere or self._not_in_account(contents)

    def _explained(self) -> dict[str, Any] | None:
        for explanation in self._screened():
            self._look_up(explanation.key, explanation.values)
            records = self._records(explanation)
            after = _count(records)
            if not rises_clearly(self._before, after, len(self._rows)):
                continue
            match self._agreement(self._rows, records, without=self._own):
                case Agreement.AGREES:
                    return self._would_match(explanation, records)
                case Agreement.DISAGREES:
                    self._contradicted.append((explanation, after))
                case Agreement.UNKNOWN:
                    self._unproven.append((explanation, after))
        return None

    def _unexplained(self) -> dict[str, Any] | None:
        agreement_of_own = self._agreement(self._rows, self._own)
        if agreement_of_own is Agreement.AGREES:
            return None
        is_contradicted = bool(self._contradicted) or (
            agreement_of_own is Agreement.DISAGREES and self._before >= MIN_KEYS
        )
        notice = None
        if is_contradicted or not self._action.is_upsert:
            notice = self._in_other_account()
        if notice is None and self._unproven:
            notice = self._would_match_unproven(*self._unproven[0])
        if notice is None and self._contradicted:
            notice = self._would_match_others(*self._contradicted[0])
        return notice or self._not_in_account(agreement_of_own)

    # Trying explanations

    def _screened(self) -> list[Explanation]:
        """The explanations that find most records of the rows that have none, the best
        first."""
        missing = [index for index, record in enumerate(self._own) if record is None]
        tried: list[tuple[Explanation, list[int]]] = []
        for explanation in self._explanations(missing):
            changed = [
                index
                for index in missing
                if explanation.values[index]
                and (explanation.key, explanation.values[index])
                != (self._key, self._rows[index].key)
            ]
            if len(changed) >= MIN_REWRITTEN * len(missing):
                tried.append((explanation, _spread(changed, SCREENED)))
        tried = self._within_requests(tried)
        for key in LABELS:
            self._look_up(
                key,
                [
                    explanation.values[index]
                    for explanation, indexes in tried
                    for index in indexes
                    if explanation.key == key
                ],
            )
        shares = []
        for explanation, indexes in tried:
            found = sum(
                self._known.of(explanation.key, explanation.values[index]) is not None
                for index in indexes
            )
            if found >= MIN_SCREENED_SHARE * len(indexes):
                shares.append((found / len(indexes), explanation))
        best = sorted(shares, key=lambda share: share[0], reverse=True)
        return [explanation for _, explanation in best[:MAX_CONFIRMED]]

    def _within_requests(
        self, tried: list[tuple[Explanation, list[int]]]
    ) -> list[tuple[Explanation, list[int]]]:
        """As many of them as there are requests for."""
        # Each of both keys may need a request that is not full.
        requests = MAX_REQUESTS - CONFIRMING_REQUESTS - self.requests - 1
        return tried[: max(0, requests) * PAGE_SIZE // SCREENED]

    def _explanations(self, missing: Sequence[int]) -> Iterator[Explanation]:
        keys = [row.key for row in self._rows]
        if self._key == "external_id":
            yield from self._rewritings(missing)
            ids = [key if RECORD_ID.fullmatch(key) else "" for key in keys]
            yield Explanation("id", ids, "are Zendesk IDs of its records")
        else:
            yield Explanation("external_id", keys, "are external IDs of its records")
        yield from self._columns(missing)

    def _rewritings(self, missing: Sequence[int]) -> Iterator[Explanation]:
        own = rules_of(self._job.rules).get(self._key, NO_RULE)
        if own.also or own.constant:
            return
        texts = [row.text for row in self._rows]
        missing_texts = [texts[index] for index in missing]
        for rewriting in key_rewritings.possible(missing_texts, own):
            rule = rewriting.added_to(own)
            values = key_rewritings.keys_of(texts, rule)
            yield Explanation(self._key, values, rewriting.words, rule)

    def _columns(self, missing: Sequence[int]) -> Iterator[Explanation]:
        for index, column in enumerate(self._job.file.columns):
            if self._job.mapping.get(column) == self._key:
                continue
            texts = [self._as_key(row.texts[index]) for row in self._rows]
            distinct = {texts[place] for place in missing} - {""}
            if len(distinct) >= MIN_DISTINCT * len(missing):
                words = f"of the values in the column “{column}” do"
                yield Explanation(self._key, texts, words, column=column)

    def _as_key(self, text: str) -> str:
        text = text.strip()
        if len(text) > MAX_KEY_LENGTH or "," in text:
            return ""
        return text if self._key == "external_id" or ULID.fullmatch(text) else ""

    # Reading

    def _look_up(self, key: str, values: Sequence[str]) -> None:
        """Those that were not looked up before."""
        wanted = [
            value
            for value in dict.fromkeys(values)
            if value and "," not in value and (key, value) not in self._known.records
        ]
        for page in listings(wanted, self._max_listed):
            if self.requests >= MAX_REQUESTS:
                return
            self.requests += 1
            found = {
                str(getattr(record, key)): record
                for record in self._look_up_page(key, page)
            }
            for value in page:
                self._known.records[key, value] = found.get(value)

    def _max_listed(self) -> int:
        return self._job.connection.max_listed or MAX_LISTED

    def _records(self, explanation: Explanation) -> list[Record | None]:
        return [
            self._known.of(explanation.key, value) if value else None
            for value in explanation.values
        ]

    # Comparing contents

    def _agreement(
        self,
        rows: Sequence["SampledRow"],
        records: Sequence[Record | None],
        without: Sequence[Record | None] = (),
    ) -> Agreement:
        """Whether the records hold what the rows have. `without`: records of the rows that
        prove nothing."""
        columns: dict[str, Compared] = {}
        for index, (row, record) in enumerate(zip(rows, records, strict=True)):
            if record is None or (without and without[index] is record):
                continue
            key = str(getattr(record, self._key))
            for name, value in self._values(row).items():
                held = record.name if name == "name" else record.fields.get(name)
                column = columns.setdefault(name, Compared(self._schema.type_of(name)))
                column.add(key, value, held)
        return agreement(columns.values())

    def _values(self, row: "SampledRow") -> dict[str, Json]:
        """{"name", or key of a field: what the row has for it}."""
        if self._action.deletes:
            return {
                name: row.texts[index].strip() for index, name in self._named.items()
            }
        values = dict(row.item.get("custom_object_fields") or {})
        if row.item.get("name"):
            values["name"] = row.item["name"]
        return values

    @property
    def _named(self) -> dict[int, str]:
        """{index of a column: the field that it is named like}, because a delete maps none."""
        columns = self._job.file.columns
        offered = [
            target
            for target in targets(self._schema, Action.CREATE)
            if target.key != "external_id"
        ]
        named = matching.suggest(columns, offered)
        return {columns.index(name): api_name(key) for name, key in named.items()}

    # Other accounts

    def _in_other_account(
        self, *, is_contradicted: bool = False
    ) -> dict[str, Any] | None:
        """`is_contradicted`: the keys exist here too, with other values. Then the values must
        agree."""
        keys = _spread([row.key for row in self._rows], PAGE_SIZE)
        page = next(listings(keys, self._max_listed))
        chosen = set(page)
        asked = [row for row in self._rows if row.key in chosen]
        here = _count(self._known.of(self._key, row.key) for row in asked)
        for connection in self._other_connections():
            if self.requests >= MAX_REQUESTS:
                return None
            self.requests += 1
            found = self._look_up_elsewhere(connection, self._key, page)
            by_key = {str(getattr(each, self._key)): each for each in found or ()}
            records = [by_key.get(row.key) for row in asked]
            there = _count(records)
            if not is_contradicted and not rises_clearly(here, there, len(asked)):
                continue
            contents = self._agreement(asked, records)
            is_likely = not here and there >= ENOUGH * len(asked)
            if contents is Agreement.AGREES or (
                contents is Agreement.UNKNOWN and is_likely
            ):
                return self._elsewhere(connection, there, len(asked))
        return None

    def _other_connections(self) -> list[Connection]:
        """Of other accounts with an object of this key."""
        here = self._job.connection
        found = CustomObject.objects.filter(key=self._job.object_key, gone=False)
        others = found.exclude(connection__host=here.host).select_related("connection")
        by_host = {
            each.connection.host: each.connection
            for each in others.order_by("-connection__name")
        }
        return sorted(by_host.values(), key=lambda each: each.name)[
            :MAX_OTHER_CONNECTIONS
        ]

    # Notices

    @property
    def _share(self) -> str:
        share = percent(self._before, len(self._rows))
        return f"{share} of the sampled {LABELS[self._key]} exist in this account"

    def _would_match(
        self, explanation: Explanation, records: Sequence[Record | None]
    ) -> dict[str, Any]:
        would = _sentence_of(explanation, _count(records), len(self._rows))
        code = "keys_would_match"
        fix = "If the keys in the examples are right, set this rule and check again."
        if explanation.column:
            code = "keys_in_other_column"
            fix = "If the keys in the examples are right, use this column and check again."
        elif explanation.rule is None:
            fix = f"Choose an action that finds records by {LABELS[explanation.key][:-1]}."
        proposal = self._proposal(explanation, records)
        return _notice(code, f"{self._share}, {would}.", fix, proposal)

    def _proposal(
        self, explanation: Explanation, records: Sequence[Record | None]
    ) -> dict[str, Any]:
        examples = [
            {"before": row.text, "after": value, "name": record.name}
            for row, value, record in zip(
                self._rows, explanation.values, records, strict=True
            )
            if record is not None and value != row.key
        ]
        rule = explanation.rule
        column = explanation.column
        if rule is not None:
            column = self._key_column
        return self._proposed(
            _count(records),
            column=column,
            rule=rule.to_json() if rule is not None else None,
            examples=examples[:MAX_EXAMPLES],
        )

    def _proposed(self, would_exist: int, **members: Any) -> dict[str, Any]:
        proposal: dict[str, Any] = {
            "target": self._key,
            "column": "",
            "rule": None,
            "connection": None,
            "sampled": len(self._rows),
            "exist": self._before,
            "would_exist": would_exist,
            "examples": [],
        }
        return proposal | members

    @property
    def _key_column(self) -> str:
        columns: dict[str, str] = {
            key: column for column, key in self._job.mapping.items()
        }
        return columns[self._key]

    def _elsewhere(
        self, connection: Connection, there: int, asked: int
    ) -> dict[str, Any]:
        proposal = self._proposed(
            there * len(self._rows) // asked, connection=str(connection.code)
        )
        return _notice(
            "keys_in_other_account",
            f"{self._share}, {percent(there, asked)} in the account of the connection "
            f"“{connection.name}”.",
            "The file is probably meant for that account. Check the connection of this job.",
            proposal,
        )

    def _would_match_unproven(
        self, explanation: Explanation, after: int
    ) -> dict[str, Any]:
        would = _sentence_of(explanation, after, len(self._rows))
        return _notice(
            "keys_not_in_account",
            f"{self._share}, {would}. But the file has no other values that show whether these "
            "are the same records.",
            "Compare some of these records in Zendesk with the file before you change the keys.",
        )

    def _would_match_others(
        self, explanation: Explanation, after: int
    ) -> dict[str, Any]:
        would = _sentence_of(explanation, after, len(self._rows))
        return _notice(
            "keys_not_in_account",
            f"{self._share}, {would}. But those records hold other values than the file.",
            ANOTHER_ACCOUNT,
        )

    def _not_in_account(self, contents: Agreement) -> dict[str, Any] | None:
        """`contents`: whether those that exist are the same records."""
        if self._action.is_upsert:
            return None
        if contents is Agreement.DISAGREES:
            return _notice(
                "keys_not_in_account",
                f"{self._share}, but these records hold other values than the file.",
                ANOTHER_ACCOUNT,
            )
        if self._before >= PROBABLY_OTHER * len(self._rows):
            return None
        return _notice(
            "keys_not_in_account",
            f"{self._share}. No rewriting of the keys and no other column finds more.",
            "Check that connection, object and file belong together.",
        )


def _sentence_of(explanation: Explanation, after: int, total: int) -> str:
    verb = "would " if explanation.rule is not None else ""
    return f"{percent(after, total)} {verb}{explanation.words}"


def percent(part: int, total: int) -> str:
    """ "0 %" and "100 %" only if it is exactly so."""
    share = round(100 * part / total)
    if 0 < part < total:
        share = min(99, max(1, share))
    return f"{share} %"


def _notice(
    code: str, message: str, fix: str, proposal: dict[str, Any] | None = None
) -> dict[str, Any]:
    count = proposal["would_exist"] if proposal else 0
    notice = {"code": code, "message": message, "fix": fix, "count": count}
    return notice | ({"proposal": proposal} if proposal else {})


def _count(records: Iterable[Record | None]) -> int:
    return sum(record is not None for record in records)


def _spread[T](found: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of them, from all over."""
    if len(found) <= limit:
        return list(found)
    return [found[index * len(found) // limit] for index in range(limit)]
