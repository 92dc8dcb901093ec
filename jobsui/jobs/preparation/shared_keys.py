"""The rows that have a key in common, while corrections change them."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jobsui.jobs.ledger.row_sets import Membership
from jobsui.jobs.models.repeated_keys import RowPairs


@dataclass(slots=True)
class SharedKeys:
    """Of one target."""

    groups: dict[int, int] = field(default_factory=dict)
    """{row: the first row with the same key} of the rows that share theirs, with or without
    problems."""
    repeated: dict[int, int] = field(default_factory=dict)
    """{row: the first row with the same key} of the rows without other problems whose key such
    a row has before."""

    @classmethod
    def of(cls, sharing: RowPairs, repeated: RowPairs | None) -> "SharedKeys":
        pairs = zip(*repeated, strict=True) if repeated else ()
        return cls(dict(zip(*sharing, strict=True)), dict(pairs))

    def regroup(
        self, rows_by_key: Mapping[str, Iterable[int]], changed: Iterable[int]
    ) -> set[int]:
        """The keys of some rows have changed (`changed`). `rows_by_key`: all rows that have
        one of the old and new keys now, ascending. Returns the rows of all groups that
        are others than before."""
        found = [list(rows) for rows in rows_by_key.values()]
        concerned = {*changed, *(row for rows in found for row in rows)}
        old_groups = {self.groups[row] for row in concerned if row in self.groups}
        members = [row for row, group in self.groups.items() if group in old_groups]
        for row in members:
            del self.groups[row]
        for rows in found:
            if len(rows) > 1:
                self.groups.update(dict.fromkeys(rows, rows[0]))
        return concerned.union(members)

    def find_repeated(self, concerned: Iterable[int], invalid: Membership) -> None:
        """Decide again which rows repeat a key, in the groups of these rows. `invalid`: the
        rows with other problems."""
        rows = set(concerned)
        groups = {self.groups[row] for row in rows if row in self.groups}
        members: defaultdict[int, list[int]] = defaultdict(list)
        for row, group in self.groups.items():
            if group in groups:
                members[group].append(row)
        for row in (*rows, *(row for each in members.values() for row in each)):
            self.repeated.pop(row, None)
        for each in members.values():
            good = sorted(row for row in each if row not in invalid)
            self.repeated.update(dict.fromkeys(good[1:], good[0] if good else 0))

    def stored(self) -> tuple[RowPairs, RowPairs]:
        """(those that share, those that repeat), as RepeatedKeys has them."""
        return _pairs(self.groups), _pairs(self.repeated)


def _pairs(rows: Mapping[int, int]) -> RowPairs:
    ascending = array("q", sorted(rows))
    return ascending, array("q", (rows[row] for row in ascending))
