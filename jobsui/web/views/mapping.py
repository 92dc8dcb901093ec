"""The second step of a new job: which column fills which field, and by which rules."""

from dataclasses import replace
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.mapping import field_targets, suggested_rules
from jobsui.jobs.mapping.matching import suggest_for
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rule_preview import Subject, preview, subject_of
from jobsui.jobs.mapping.rule_words import rules_in_words
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker
from jobsui.web import rule_texts
from jobsui.web.forms.mapping import MappingForm
from jobsui.web.forms.rules import RuleForm
from jobsui.web.http import HtmxRequest
from jobsui.web.mapping_rows import MappingRows, source_column
from jobsui.web.views.wizard import on_draft, with_file


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def map_columns(request: HtmxRequest, job: Job) -> HttpResponse:
    """A POST saves the mapping and starts the check, unless `then` says where to go
    instead. With htmx, it only shows the state of the form."""
    form = MappingForm(
        request.POST or None,
        columns=job.file.columns,
        targets=field_targets.targets_for(job),
        action=Action(job.action),
        mapping=kept_mapping(job),
        options=Options.from_json(job.options),
    )
    if request.htmx:
        return _changed(request, job, form)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            return _save(request, job, form)
        except MappingRefused as refusal:
            problems = refusal.problems
        except NotPossibleNow as refusal:
            problems = [str(refusal)]
    page = _page(job, form) | {"problems": problems or form.problems()}
    return render(request, "wizard/map.html", page)


def _save(request: HtmxRequest, job: Job, form: MappingForm) -> HttpResponse:
    rules = _rules(job, form)
    then, _, target = request.POST.get("then", "").partition(" ")
    if then != "rule" or _is_changed(job, form, rules):
        mapping = form.mapping()
        options = form.options()
        drafts.set_mapping(job, mapping, options, by=request.user, rules=rules)
    match then:
        case "save":
            return redirect("jobs:map", job.code)
        case "save_mapping":
            return redirect("jobs:save_mapping", job.code)
        case "rule" if target in {each.key for each in form.targets}:
            return redirect("jobs:rule", job.code, target)
    checker.start(job, by=request.user)
    return redirect("jobs:check", job.code)


def _rules(job: Job, form: MappingForm) -> dict[str, Rule]:
    """{target key: rule}: those of the draft, and the suggested ones that a person has
    left ticked. A column replaces a constant."""
    mapping = form.mapping()
    suggested = suggested_rules.suggest(job, mapping)
    rules = rules_of(job.rules)
    for target in form.targets:
        own = rules.get(target.key, NO_RULE)
        if target.key in mapping.values() and own.constant:
            own = replace(own, constant="")
        if own == NO_RULE and form.uses_suggestion(target):
            own = suggested.get(target.key, NO_RULE)
        rules[target.key] = own
    return rules


def _is_changed(job: Job, form: MappingForm, rules: dict[str, Rule]) -> bool:
    """Whether the form differs from what the draft has."""
    own_rules = {key: rule for key, rule in rules.items() if rule != NO_RULE}
    return (
        form.mapping() != job.mapping
        or own_rules != rules_of(job.rules)
        or form.options() != Options.from_json(job.options)
    )


def _changed(request: HtmxRequest, job: Job, form: MappingForm) -> HttpResponse:
    """The parts of the page that depend on the column that was just chosen."""
    page = _page(job, form, changed=request.htmx.trigger_name or "")
    page["row"] = page["rows"].changed
    page["is_oob"] = True
    return render(request, "wizard/map_changed.html", page)


def _page(job: Job, form: MappingForm, changed: str = "") -> dict[str, Any]:
    rows = MappingRows(job, form, changed)
    return {
        "job": job,
        "form": form,
        "rows": rows,
        "summary": rows.summary,
    }


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def rule(request: HtmxRequest, job: Job, target: str) -> HttpResponse:
    """How the texts of a target's column are rewritten. A POST saves the rule, unless
    `then` is "preview". With htmx, it only shows what the rule would do."""
    subject = _subject(job, target)
    own = rules_of(job.rules).get(target, NO_RULE)
    if subject.column and own.constant:
        own = replace(own, constant="")
    suggested = _suggested(job, subject) if own == NO_RULE else NO_RULE
    if request.POST.get("then") == "remove":
        return _save_rule(request, job, subject, NO_RULE)
    form = RuleForm(
        request.POST or None,
        subject=subject,
        rule=own if own != NO_RULE else suggested,
        can_be_constant=_can_be_constant(subject),
    )
    is_save = request.method == "POST" and not request.htmx
    if is_save and request.POST.get("then") != "preview" and _is_savable(form):
        try:
            return _save_rule(request, job, subject, form.rule())
        except NotPossibleNow as refusal:
            form.add_error(None, str(refusal))
    page = _rule_page(subject, form, own, suggested)
    template = "wizard/rule_changed.html" if request.htmx else "wizard/rule.html"
    return render(request, template, page)


def _subject(job: Job, target: str) -> Subject:
    column_of = {key: column for column, key in kept_mapping(job).items()}
    subject = subject_of(job, target, column_of.get(target, ""))
    if subject is None:
        raise Http404
    return subject


def _suggested(job: Job, subject: Subject) -> Rule:
    if not subject.column:
        return NO_RULE
    key = subject.target.key
    return suggested_rules.suggest(job, {subject.column: key}).get(key, NO_RULE)


def _can_be_constant(subject: Subject) -> bool:
    """A value that must differ in every row cannot."""
    action = Action(subject.job.action)
    unique = field_targets.unique_targets(subject.schema, action)
    return subject.target.key not in unique


def _is_savable(form: RuleForm) -> bool:
    if not form.is_valid():
        return False
    if form.is_table_outdated:
        form.add_error(None, "The list of values has changed. Check it, then save.")
        return False
    problems = [
        f"“{row.chosen}” is no option." for row in form.table_rows() if row.is_wrong
    ]
    problems += form.rule().problems()
    for problem in problems:
        form.add_error(None, problem)
    return not problems


def _save_rule(
    request: HtmxRequest, job: Job, subject: Subject, chosen: Rule
) -> HttpResponse:
    rules = rules_of(job.rules) | {subject.target.key: chosen}
    drafts.set_mapping(
        job, kept_mapping(job), subject.options, by=request.user, rules=rules
    )
    return redirect("jobs:map", job.code)


def _rule_page(
    subject: Subject, form: RuleForm, own: Rule, suggested: Rule
) -> dict[str, Any]:
    is_readable = not form.is_bound or form.is_valid()
    shown = form.rule() if form.is_bound and is_readable else form.initial_rule
    found = preview(subject, shown) if is_readable else None
    file = subject.job.file
    return {
        "job": subject.job,
        "subject": subject,
        "form": form,
        "has_rule": own != NO_RULE,
        "suggested": rules_in_words(suggested),
        "column": source_column(file, subject.column, subject.facts),
        "judgements": list(rule_texts.judgements(subject)),
        "question": rule_texts.question(subject),
        "preview": found,
        "preview_summary": rule_texts.preview_summary(found) if found else "",
    }


def kept_mapping(job: Job) -> dict[str, str]:
    """The mapping of the draft. Where the file was replaced and columns are missing,
    the others are matched."""
    kept = {
        column: key for column, key in job.mapping.items() if column in job.file.columns
    }
    if job.mapping and len(kept) == len(job.mapping):
        return kept
    return suggest_for(job, kept)
