"""What a check proposes about the keys of a draft, accepted."""

from typing import Any

from jobsui.jobs.control import drafts
from jobsui.jobs.enums import JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of
from jobsui.jobs.models import AccountFacts, Job
from jobsui.jobs.preparation import checker


def accept(job: Job, *, by: Actor) -> None:
    """Set the rule or the column that the check proposes for the key, and check again. Raises
    NotPossibleNow, and MappingRefused when the mapping cannot work then."""
    proposal = _proposal(job)
    target = proposal["target"]
    column = proposal["column"]
    mapping = {name: key for name, key in job.mapping.items() if key != target}
    mapping[column] = target
    rule = NO_RULE
    if proposal["rule"] is not None:
        rule = Rule.from_json(proposal["rule"])
    rules = rules_of(job.rules) | {target: rule}
    options = Options.from_json(job.options)
    drafts.set_mapping(job, mapping, options, by=by, rules=rules)
    checker.start(job, by=by)


def _proposal(job: Job) -> dict[str, Any]:
    """Raises NotPossibleNow."""
    facts = None
    if job.state == JobState.READY:
        facts = AccountFacts.objects.filter(job=job).first()
    for notice in facts.notices if facts else ():
        proposal: dict[str, Any] | None = notice.get("proposal")
        if proposal and proposal["column"]:
            return proposal
    raise NotPossibleNow("The check proposes nothing about the keys. Check again.")
