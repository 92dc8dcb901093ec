"""Which target each column of a file probably fills. Only what is clear is suggested: a
column or target with two possible partners gets none."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import UNLAUNCHED, Action
from jobsui.jobs.mapping.field_targets import Target, targets
from jobsui.jobs.mapping.names import GENERIC, subject_of, words_of
from jobsui.jobs.mapping.option_matching import OptionFinder, normal_form
from jobsui.jobs.mapping.rules import rules_of, used_columns
from jobsui.jobs.mapping.types.record_id import ULID
from jobsui.jobs.models import File, Job
from jobsui.zendesk.payloads import Field, Schema

SYNONYMS = {
    "external_id": {"externalid", "extid", "externalkey", "standardexternalid"},
    "id": {"zendeskid", "recordid", "zendeskrecordid"},
    "name": {"recordname", "standardname"},
}
KEY_WORDS = GENERIC - {"name", "date", "text"} | {"external", "key", "reference", "ref"}
NUMBERS = frozenset({"integer", "decimal", "currency"})
NUMBER = re.compile(r"[^\w.,-]*[-+]?[\d.,'’\s]*\d[\d.,'’\s]*\W*[^\W\d_]{0,3}")
MIN_FITTING = 0.5
"""Which share of the texts must look like the field's, so that a similar name counts."""
MIN_OPTIONS = 0.9
"""Which share of the different texts must be options, when the names are not similar."""
MAX_DISTINCT = 200
"""Columns with more different texts are not compared with options."""
FIRST_TEXTS = 10
MAX_CHECKBOX_WORDS = 4
REMEMBERED_JOBS = 5
MAX_SEARCHED_JOBS = 1000

type Words = frozenset[str]
type Mapped = dict[str, str]
"""{column: target key}."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What a column has, as far as it is known."""

    counts: Sequence[tuple[str, int]] = ()
    """(text, how often)."""
    has_dates: bool = False
    is_unique: bool = False
    """No cell is blank, and as far as texts were counted, no two are the same."""

    def share(self, is_right: Callable[[str], bool]) -> float:
        """Of the cells."""
        total = sum(count for _, count in self.counts)
        right = sum(count for text, count in self.counts if is_right(text))
        return right / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier jobs did with columns of these names."""

    mapping: Mapped = field(default_factory=dict)
    """{column: target key}."""
    unmapped: Collection[str] = ()
    """Columns that a person has seen and left out."""


def suggest_for(
    job: Job, chosen: Mapping[str, str] | None = None, *, only_by_name: bool = False
) -> Mapped:
    """{column: target key} of `chosen`, and of the other columns of the job's file whose
    target is clear. Constants and joined columns stay what they are. `only_by_name`: the texts
    of a column and earlier jobs do not matter, so files of the same columns are mapped alike."""
    custom_object = CustomObject.objects.get(
        connection=job.connection, key=job.object_key
    )
    schema = custom_object.schema
    action = Action(job.action)
    chosen = dict(chosen or {})
    rules = rules_of(job.rules)
    used = used_columns(chosen, rules)
    taken = {*chosen.values(), *(key for key, rule in rules.items() if rule.constant)}
    offered = [each for each in targets(schema, action) if each.key not in taken]
    columns = [column for column in job.file.columns if column not in used]
    named = suggest(columns, offered)
    unmatched = [column for column in columns if column not in named]
    matcher = Matcher(
        schema,
        action,
        offered,
        texts={} if only_by_name else texts_of(job.file, unmatched),
        memory=Memory() if only_by_name else remembered(job),
        object_name=custom_object.title,
    )
    return chosen | matcher.complete(columns, named)


def suggest(columns: Sequence[str], offered: Iterable[Target]) -> Mapped:
    """{column: target key} for the columns named like a target: exact keys first, then
    exact labels, then spelling variants. No target is used twice."""
    found: Mapped = {}
    used: set[str] = set()
    for normalize, keys_by_name in _naming_rules(list(offered)):
        for column in columns:
            key = keys_by_name.get(normalize(column))
            if key and column not in found and key not in used:
                found[column] = key
                used.add(key)
    return {column: found[column] for column in columns if column in found}


class Matcher:
    """Completes what names alone decide."""

    def __init__(
        self,
        schema: Schema,
        action: Action,
        offered: Iterable[Target],
        *,
        texts: Mapping[str, Texts],
        memory: Memory,
        object_name: str = "",
    ) -> None:
        """`texts` of columns: those that are not known contradict nothing."""
        self._schema = schema
        self._action = action
        self._offered = list(offered)
        self._texts = texts
        self._memory = memory
        self._of_object = words_of(schema.object_key) | words_of(object_name)

    def complete(self, columns: Sequence[str], found: Mapped) -> Mapped:
        """`found` with the columns that further steps match."""
        found = dict(found)
        steps = (
            self._remembered,
            self._same_words,
            self._similar_words,
            self._record_keys,
            self._options,
        )
        for step in steps:
            free = [column for column in columns if column not in found]
            left = [each for each in self._offered if each.key not in found.values()]
            found |= _clear(step(free, left))
        return {column: found[column] for column in columns if column in found}

    def _guessable(self, columns: list[str]) -> list[str]:
        """Without those that a person has left out before."""
        return [column for column in columns if column not in self._memory.unmapped]

    def _remembered(self, columns: list[str], offered: list[Target]) -> "Pairs":
        keys = {target.key for target in offered}
        for column in columns:
            key = self._memory.mapping.get(column)
            if key in keys:
                yield column, key

    def _same_words(self, columns: list[str], offered: list[Target]) -> "Pairs":
        return self._with_words(columns, offered, lambda ours, theirs: ours == theirs)

    def _similar_words(self, columns: list[str], offered: list[Target]) -> "Pairs":
        return self._with_words(columns, offered, _is_similar)

    def _with_words(
        self,
        columns: list[str],
        offered: list[Target],
        is_match: Callable[[Words, Words], bool],
    ) -> "Pairs":
        """Those with the same subject that `is_match` accepts."""
        for has_unit in (False, True):
            targets_by_subject = self._targets_by_subject(offered, has_unit=has_unit)
            for column in self._guessable(columns):
                texts = self._texts.get(column, Texts())
                ours = subject_of(column, self._of_object, has_unit=has_unit)
                for target, theirs in targets_by_subject.get(ours - GENERIC, ()):
                    if is_match(ours, theirs) and self._fits(target, texts):
                        yield column, target.key

    def _targets_by_subject(
        self, offered: list[Target], *, has_unit: bool
    ) -> dict[Words, list[tuple[Target, Words]]]:
        """{words without generic ones: targets with their words}. `has_unit`: numbers only,
        whose columns may have units; else all others."""
        found: dict[Words, list[tuple[Target, Words]]] = {}
        for target in offered:
            if (target.type in NUMBERS) != has_unit:
                continue
            for name in (target.label, target.api_name):
                words = subject_of(name, self._of_object, has_unit=has_unit)
                found.setdefault(words - GENERIC, []).append((target, words))
        return found

    def _record_keys(self, columns: list[str], offered: list[Target]) -> "Pairs":
        """A column of IDs for the key of the records."""
        is_open = any(target.key == self._action.key for target in offered)
        if not is_open or self._action.key not in {"id", "external_id"}:
            return
        for column in self._guessable(columns):
            texts = self._texts.get(column, Texts())
            is_ulid = bool(texts.counts) and texts.share(_is_ulid) == 1.0
            if self._action.key == "id":
                is_key = is_ulid and texts.is_unique
            else:
                words = subject_of(column, self._of_object)
                is_named_key = bool(words) and words <= KEY_WORDS
                is_key = is_named_key and texts.is_unique and not is_ulid
            if is_key:
                yield column, str(self._action.key)

    def _options(self, columns: list[str], offered: list[Target]) -> "Pairs":
        """Columns whose texts are options."""
        tags_by_form: dict[str, dict[str, str]] = {}
        for target in offered:
            own = self._field(target)
            for form, tag in OptionFinder(own).forms.items() if own else ():
                tags_by_form.setdefault(form, {})[target.key] = tag
        for column in self._guessable(columns):
            texts = [text for text, _ in self._texts.get(column, Texts()).counts]
            # Most columns have no options, and their first texts show it.
            if _fields_with_options(texts[:FIRST_TEXTS], tags_by_form):
                for key, tags in _fields_with_options(texts, tags_by_form).items():
                    if len(tags) > 1:
                        yield column, key

    def _field(self, target: Target) -> Field | None:
        is_field = target.key != target.api_name
        return self._schema.field(target.api_name) if is_field else None

    def _fits(self, target: Target, texts: Texts) -> bool:
        """Whether the texts of a column do not contradict a similar name."""
        if not texts.counts:
            return True
        if target.key == "id":
            return texts.share(_is_ulid) >= MIN_FITTING
        own = self._field(target)
        match target.type:
            case "integer" | "decimal" | "currency":
                return (
                    texts.share(lambda text: bool(NUMBER.fullmatch(text)))
                    >= MIN_FITTING
                )
            case "date":
                return texts.has_dates
            case "checkbox":
                return len(texts.counts) <= MAX_CHECKBOX_WORDS
            case "dropdown" if own and own.options:
                finder = OptionFinder(own)
                return texts.share(lambda text: bool(finder.find(text))) >= MIN_FITTING
        return True


type Pairs = Iterator[tuple[str, str]]
"""(column, target key) that may belong together."""


def texts_of(file: File, columns: Sequence[str]) -> dict[str, Texts]:
    """Those of these columns that are not empty: of the whole file where it has few, else
    of its first rows."""
    positions = {column: index for index, column in enumerate(file.columns)}
    found = {}
    facts = {each.name: each for each in file.column_facts.defer("values")}
    few = file.column_facts.filter(distinct__lte=MAX_DISTINCT).only("name", "values")
    values = {each.name: each.values for each in few}
    for column in columns:
        counts = [(text, count) for text, count in values.get(column, ())]
        if not counts:
            index = positions[column]
            sample = [cells[index] for _, cells in file.sample if index < len(cells)]
            counts = list(Counter(text for text in sample if text.strip()).items())
        own = facts.get(column)
        is_full = own is not None and own.filled == file.rows
        has_repeats = own is not None and own.distinct not in {None, file.rows}
        if counts:
            found[column] = Texts(
                counts,
                has_dates=bool(own and own.date_orders),
                is_unique=is_full and not has_repeats,
            )
    return found


def remembered(job: Job) -> Memory:
    """What the newest launched jobs of the same object and action did."""
    newest = Job.objects.order_by("-created_at", "-pk").values("pk")
    earlier = (
        Job.objects.filter(
            pk__in=newest[:MAX_SEARCHED_JOBS],
            connection=job.connection,
            object_key=job.object_key,
            action=job.action,
            parent=None,
        )
        .exclude(state__in=UNLAUNCHED)
        .exclude(mapping={})
        .order_by("-created_at", "-pk")
        .values_list("mapping", "rules", "file__columns")
    )
    mapping: Mapped = {}
    unmapped: set[str] = set()
    for its_mapping, rules, columns in earlier[:REMEMBERED_JOBS]:
        used = used_columns(its_mapping, rules_of(rules))
        for column in columns:
            if column in mapping or column in unmapped:
                continue
            if column in its_mapping:
                mapping[column] = its_mapping[column]
            elif column not in used:
                unmapped.add(column)
    return Memory(mapping, unmapped)


def _clear(pairs: Pairs) -> Mapped:
    """Those that are the only ones of their column and of their target."""
    possible = set(pairs)
    columns = Counter(column for column, _ in possible)
    keys = Counter(key for _, key in possible)
    return {
        column: key
        for column, key in possible
        if columns[column] == 1 and keys[key] == 1
    }


def _fields_with_options(
    texts: Sequence[str], tags_by_form: Mapping[str, Mapping[str, str]]
) -> dict[str, set[str]]:
    """{target key: tags that the texts mean} for the fields that nearly all texts are an
    option of. `tags_by_form`: {normal form: {target key: tag}}."""
    counts: Counter[str] = Counter()
    tags: dict[str, set[str]] = {}
    for text in texts:
        for key, tag in tags_by_form.get(normal_form(text), {}).items():
            counts[key] += 1
            tags.setdefault(key, set()).add(tag)
    needed = len(texts) * MIN_OPTIONS
    return {key: tags[key] for key, count in counts.items() if count >= needed}


def _is_similar(ours: Words, theirs: Words) -> bool:
    """Whether the words of a column and of a target with the same subject may mean the same.
    "Status date" is not the status."""
    return bool(ours - GENERIC) and "date" not in ours - theirs


def _is_ulid(text: str) -> bool:
    return bool(ULID.fullmatch(text.strip().upper()))


def _naming_rules(
    offered: Sequence[Target],
) -> Iterator[tuple[Callable[[str], str], dict[str, str]]]:
    """How to normalize a column's name, with {normalized name: target key}. The most
    reliable rule comes first."""
    yield str, {target.api_name: target.key for target in reversed(offered)}
    yield str, _unambiguous((target.label, target) for target in offered)
    yield (
        _normalized,
        _unambiguous((_normalized(target.api_name), target) for target in offered),
    )
    yield (
        _normalized,
        _unambiguous((_normalized(target.label), target) for target in offered),
    )
    yield (
        _normalized,
        {
            synonym: target.key
            for target in offered
            for synonym in SYNONYMS.get(target.key, ())
        },
    )


def _unambiguous(named: Iterable[tuple[str, Target]]) -> dict[str, str]:
    """{name: target key} for the names that only one target has."""
    found: dict[str, set[str]] = {}
    for name, target in named:
        found.setdefault(name, set()).add(target.key)
    return {name: keys.pop() for name, keys in found.items() if name and len(keys) == 1}


def _normalized(name: str) -> str:
    """A name without case, spaces, punctuation and Zendesk's prefix."""
    return re.sub(r"[\W_]", "", name.casefold().removeprefix("custom_object_fields."))
