"""What the keys of a file may be instead: rewritten, of another kind, or in another column."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping import key_rewritings
from jobsui.jobs.mapping.comparison import RECORD_ID
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of
from jobsui.jobs.models import Job
from jobsui.jobs.preparation.key_damage.sample import Sample

MAX_KEY_LENGTH = 255
MIN_DISTINCT = 0.5
"""The share of different cells that a column with keys must have."""
ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")


@dataclass(frozen=True, slots=True)
class Explanation:
    key: str
    """"id" or "external_id": by what the records are found then."""
    values: Sequence[str]
    """The key of each row; "" for none."""
    words: str
    """What follows "97 % would" or "97 %" in a sentence, such as "if padded to 8 digits"."""
    rule: Rule | None = None
    """The rule that rewrites the keys; None if they are not rewritten."""
    column: str = ""
    """The other column that has the keys; "" if it is no other column."""


class Explanations:
    """The explanations for the keys of a sample, most likely ones first."""

    def __init__(self, job: Job, sample: Sample) -> None:
        self._job = job
        self._key = Action(job.action).key
        self._sample = sample
        self._missing = sample.missing

    def __iter__(self) -> Iterator[Explanation]:
        if self._key == "external_id":
            yield from self._rewritings()
        yield self._other_kind()
        yield from self._other_columns()

    def _rewritings(self) -> Iterator[Explanation]:
        own = rules_of(self._job.rules).get(self._key, NO_RULE)
        if own.also or own.constant:
            return
        texts = [row.text for row in self._sample.rows]
        missing_texts = [texts[index] for index in self._missing]
        for rewriting in key_rewritings.possible(missing_texts, own):
            rule = rewriting.added_to(own)
            values = key_rewritings.keys_of(texts, rule)
            yield Explanation(self._key, values, rewriting.words, rule)

    def _other_kind(self) -> Explanation:
        keys = [row.key for row in self._sample.rows]
        if self._key == "id":
            return Explanation("external_id", keys, "are external IDs of its records")
        ids = [key if RECORD_ID.fullmatch(key) else "" for key in keys]
        return Explanation("id", ids, "are Zendesk IDs of its records")

    def _other_columns(self) -> Iterator[Explanation]:
        for index, column in enumerate(self._job.file.columns):
            if self._job.mapping.get(column) == self._key:
                continue
            values = [self._as_key(row.texts[index]) for row in self._sample.rows]
            distinct = {values[row] for row in self._missing} - {""}
            if len(distinct) >= MIN_DISTINCT * len(self._missing):
                words = f"of the values in the column “{column}” do"
                yield Explanation(self._key, values, words, column=column)

    def _as_key(self, text: str) -> str:
        text = text.strip()
        if len(text) > MAX_KEY_LENGTH or "," in text:
            return ""
        return text if self._key == "external_id" or ULID.fullmatch(text) else ""
