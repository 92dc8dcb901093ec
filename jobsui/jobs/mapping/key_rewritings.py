"""Rewritings: how the keys of a file may have been damaged after they left the account, and how
to undo that. A rewriting is likely if many more of the rewritten keys have a record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jobsui.jobs.mapping.repairs import REPAIRS
from jobsui.jobs.mapping.rules import Rewriter, Rule

MIN_WIDTH = 4
MAX_WIDTH = 13
ENOUGH = 0.9
"""If this share of the keys that should have a record has one, nothing is wrong."""
MIN_REWRITTEN = 0.2
"""The share of the keys without a record that a rewriting must change."""
MIN_RISE = 0.2
MIN_FACTOR = 3
MIN_RISE_TO_ENOUGH = 0.1


@dataclass(frozen=True, slots=True)
class Rewriting:
    """One way to undo a damage."""

    name: str
    """The same for all rewritings of a kind and width, such as "pad_8"."""
    words: str
    """Behind "97 % would": "if padded to 8 digits"."""
    rule: Rule
    """What the rewriting adds to the rule of the target."""

    def added_to(self, own: Rule) -> Rule:
        """The rule of a target, with this rewriting."""
        chosen = {*own.repairs, *self.rule.repairs}
        return replace(
            own,
            repairs=tuple(name for name in REPAIRS if name in chosen),
            trim=own.trim or self.rule.trim,
            case=self.rule.case or own.case,
            pad=self.rule.pad or own.pad,
        )

    def rewrite(self, text: str) -> str:
        return Rewriter(self.rule).rewrite(text)


def _rewritings() -> Iterator[Rewriting]:
    """Rewritings that change less come first."""
    point_zero = Rule(repairs=("point_zero",))
    yield Rewriting("trim", "without spaces at the ends", _trimming())
    yield Rewriting("quotes", "without quotation marks", Rule(repairs=("quotes",)))
    yield Rewriting("composed", "with composed accents", Rule(repairs=("composed",)))
    yield Rewriting("dashes", "with hyphens instead of dashes", _hyphens())
    yield Rewriting("point_zero", "without the .0 at the end", point_zero)
    yield Rewriting("grouping", "without separators of thousands", _ungrouped())
    yield Rewriting("upper", "in upper case", Rule(case="upper"))
    yield Rewriting("lower", "in lower case", Rule(case="lower"))
    for width in range(MIN_WIDTH, MAX_WIDTH + 1):
        yield Rewriting(f"pad_{width}", f"if padded to {width} digits", Rule(pad=width))
    for width in range(MIN_WIDTH, MAX_WIDTH + 1):
        yield Rewriting(
            f"point_zero_pad_{width}",
            f"without the .0 at the end, padded to {width} digits",
            replace(point_zero, pad=width),
        )
    zeros = Rule(repairs=("leading_zeros",))
    yield Rewriting("leading_zeros", "without the zeros in front", zeros)


def _trimming() -> Rule:
    """No-break spaces and invisible characters included."""
    return Rule(repairs=("invisible",), trim=True)


def _hyphens() -> Rule:
    return Rule(repairs=("dashes",))


def _ungrouped() -> Rule:
    return Rule(repairs=("grouping",))


REWRITINGS: Sequence[Rewriting] = tuple(_rewritings())
"""Numbers in E+ notation have lost their last digits, so nothing rewrites them."""


def keys_of(texts: Sequence[str], rule: Rule) -> list[str]:
    """What a rule makes of the texts of a key's column."""
    rewriter = Rewriter(rule)
    return [rewriter.rewrite(text) for text in texts]


def possible(texts: Sequence[str], own: Rule) -> list[Rewriting]:
    """The rewritings that change enough of these texts. Of several with the same result, only the
    first. `own`: the present rule of the target."""
    before = keys_of(texts, own)
    found: dict[tuple[str, ...], Rewriting] = {}
    for rewriting in REWRITINGS:
        after = tuple(keys_of(texts, rewriting.added_to(own)))
        changed = sum(
            new != old and bool(new) for new, old in zip(after, before, strict=True)
        )
        if texts and changed >= MIN_REWRITTEN * len(texts):
            found.setdefault(after, rewriting)
    return list(found.values())


def rises_clearly(before: int, after: int, total: int) -> bool:
    """Whether a rewriting clearly raises the number of keys that have a record. `before` and
    `after` it, as many of `total` keys have one."""
    if not total:
        return False
    rise = (after - before) / total
    is_much = rise >= MIN_RISE and after >= MIN_FACTOR * before
    is_nearly_all = after >= ENOUGH * total and rise >= MIN_RISE_TO_ENOUGH
    return is_much or is_nearly_all
