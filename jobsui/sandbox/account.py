"""The one account the sandbox has: all its state in one place."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jobsui.sandbox import schema
from jobsui.sandbox.errors import custom_objects_off, invalid_because, not_found
from jobsui.sandbox.faults import Faults
from jobsui.sandbox.jobs import Jobs
from jobsui.sandbox.journal import Journal, Objects
from jobsui.sandbox.limits import Window
from jobsui.sandbox.protocol import Json
from jobsui.sandbox.samples import SAMPLE_RECORDS, SAMPLES
from jobsui.sandbox.schema import CustomObject, Field
from jobsui.sandbox.settings import Settings
from jobsui.sandbox.tokens import Tokens
from jobsui.sandbox.writing import Writer

LOGGED_REQUESTS = 10_000


@dataclass(slots=True)
class Options:
    """How it was started; what a reset goes back to."""

    settings: dict[str, Json] = field(default_factory=dict)
    faults: dict[str, Json] = field(default_factory=dict)
    seed: int | None = None
    samples: bool = False
    data: Path | None = None


class Account:
    def __init__(self, options: Options, wake: Callable[[float], None]) -> None:
        self.options = options
        self.wake = wake
        self.objects: Objects = {}
        self.journal = Journal(options.data)
        self._begin()
        self.journal.open(self.objects)
        self._add_samples()

    def _begin(self) -> None:
        self.settings = Settings()
        self.settings.change(self.options.settings)
        self.faults = Faults(self.options.seed)
        self.faults.change(self.options.faults)
        self.tokens = Tokens()
        self.requests = Window()
        self.exports = Window()
        self.log: deque[dict[str, Json]] = deque(maxlen=LOGGED_REQUESTS)
        self.writer = Writer(self.objects, self.journal)
        self.jobs = Jobs(self.settings, self.faults, self.writer, self.wake)

    def reset(self) -> None:
        """Back to how it was started, without any record but the samples'."""
        self.objects.clear()
        self._begin()
        self.journal.restart(self.objects)
        self._add_samples()

    def settle(self) -> None:
        """Do what has come due."""
        self.jobs.advance()
        self.journal.flush()

    def custom_object(self, key: str) -> CustomObject:
        """Raises Refused when there is none."""
        if not self.settings.custom_objects:
            raise custom_objects_off()
        if key not in self.objects:
            raise not_found()
        return self.objects[key]

    def add_object(self, data: dict[str, Json]) -> CustomObject:
        """An object of the request's making; raises Refused."""
        number = 1 + max((each.number for each in self.objects.values()), default=0)
        custom_object = schema.new_object(data, number)
        if custom_object.key in self.objects:
            raise invalid_because(f"Key: {custom_object.key} has already been taken")
        self.objects[custom_object.key] = custom_object
        self.journal.keep_object(custom_object)
        return custom_object

    def add_field(self, custom_object: CustomObject, data: dict[str, Json]) -> Field:
        """Raises Refused."""
        used = [each.id for each in custom_object.fields.values()]
        field = schema.new_field(
            custom_object,
            data,
            1 + max(used, default=custom_object.number * 10_000_000 + 2),
        )
        custom_object.fields[field.key] = field
        self.journal.keep_object(custom_object)
        return field

    def remove_object(self, custom_object: CustomObject) -> None:
        del self.objects[custom_object.key]
        self.journal.drop_object(custom_object.key)

    def make_object(
        self,
        data: dict[str, Json],
        fields: Iterable[dict[str, Json]],
        name: dict[str, Json] | None = None,
    ) -> CustomObject:
        """An object with its fields and the rules of its name; raises Refused and then
        leaves nothing behind."""
        custom_object = self.add_object(data)
        try:
            schema.change_name_rules(custom_object, name or {})
            for each in fields:
                self.add_field(custom_object, each)
        except Exception:
            self.remove_object(custom_object)
            raise
        self.journal.keep_object(custom_object)
        return custom_object

    def _add_samples(self) -> None:
        if not self.options.samples:
            return
        for sample in SAMPLES:
            if sample["key"] not in self.objects:
                custom_object = self.make_object(
                    sample, sample["fields"], sample["name"]
                )
                for record in SAMPLE_RECORDS[sample["key"]]:
                    self.writer.create(custom_object, record, applied=0)
        self.journal.flush()
