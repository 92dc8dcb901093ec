"""The sandbox's one account, with all its state."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jobsui.sandbox import schema
from jobsui.sandbox.alterations import Alterations
from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.errors import custom_objects_off, invalid_because, unknown_object
from jobsui.sandbox.faults import Faults
from jobsui.sandbox.jobs import Jobs
from jobsui.sandbox.journal import Journal, Objects
from jobsui.sandbox.limits import Window
from jobsui.sandbox.protocol import JsonObject
from jobsui.sandbox.samples import SAMPLE_RECORDS, SAMPLES
from jobsui.sandbox.schema import CustomObject, Field
from jobsui.sandbox.settings import Settings
from jobsui.sandbox.tokens import Tokens
from jobsui.sandbox.writer import Author, Writer

LOGGED_REQUESTS = 10_000


@dataclass(slots=True)
class Options:
    """How the sandbox was started. A reset returns to this."""

    settings: JsonObject = field(default_factory=dict)
    faults: JsonObject = field(default_factory=dict)
    assumptions: JsonObject = field(default_factory=dict)
    seed: int | None = None
    samples: bool = False
    data: Path | None = None


class Account:
    def __init__(self, options: Options, wake: Callable[[float], None]) -> None:
        self.options = options
        self.wake = wake
        self.objects: Objects = {}
        self.journal = Journal(options.data)
        self._start()
        self.journal.open(self.objects)
        self._add_samples()

    def _start(self) -> None:
        self.settings = Settings()
        self.settings.change(self.options.settings)
        self.assumptions = Assumptions()
        self.assumptions.change(self.options.assumptions)
        self.faults = Faults(self.options.seed)
        self.faults.change(self.options.faults)
        self.tokens = Tokens()
        self.requests = Window()
        self.exports = Window()
        self.log: deque[JsonObject] = deque(maxlen=LOGGED_REQUESTS)
        self.received: Counter[str] = Counter()
        """How many API requests of each kind."""
        self.writer = Writer(self.objects, self.journal, self.assumptions)
        self.alterations = Alterations(self.faults)
        self.jobs = Jobs(
            self.settings,
            self.assumptions,
            self.faults,
            self.writer,
            self.wake,
            self.alterations,
        )

    def reset(self) -> None:
        """Return to the state at the start, with the sample records only."""
        self.objects.clear()
        self._start()
        self.journal.restart(self.objects)
        self._add_samples()

    def settle(self) -> None:
        """Finish the jobs that are due."""
        self.jobs.advance()
        self.journal.flush()

    def custom_object(self, key: str) -> CustomObject:
        """Raises Refused when there is no such object."""
        if not self.settings.custom_objects:
            raise custom_objects_off()
        if key not in self.objects:
            raise unknown_object()
        return self.objects[key]

    def add_object(self, data: JsonObject) -> CustomObject:
        """Create an object from a request's body. Raises Refused."""
        used = [each.number for each in self.objects.values()]
        number = 1 + max(used, default=0)
        custom_object = schema.new_object(data, number)
        if custom_object.key in self.objects:
            raise invalid_because(f"Key: {custom_object.key} has already been taken")
        self.objects[custom_object.key] = custom_object
        self.journal.keep_object(custom_object)
        return custom_object

    def add_field(self, custom_object: CustomObject, data: JsonObject) -> Field:
        """Raises Refused."""
        last_standard_id = schema.first_field_id(custom_object) + 2
        used = [each.id for each in custom_object.fields.values()]
        field_id = 1 + max(used, default=last_standard_id)
        field = schema.new_field(custom_object, data, field_id)
        custom_object.fields[field.key] = field
        self.journal.keep_object(custom_object)
        return field

    def remove_object(self, custom_object: CustomObject) -> None:
        del self.objects[custom_object.key]
        self.journal.drop_object(custom_object.key)

    def make_object(
        self,
        data: JsonObject,
        fields: Iterable[JsonObject],
        name: JsonObject | None = None,
    ) -> CustomObject:
        """Create an object with its fields and its name rules.

        Raises Refused, and then creates nothing.
        """
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
            key = sample["key"]
            if key in self.objects:
                continue
            custom_object = self.make_object(sample, sample["fields"], sample["name"])
            for record in SAMPLE_RECORDS[key]:
                self.writer.create(custom_object, record, Author(applied=0))
        self.journal.flush()
