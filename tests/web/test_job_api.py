"""A shell runs the snippets of a job's page, with fake programs that record their
arguments."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobsui.connections.models import Connection
from jobsui.jobs.control import drafts, retries, undo
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.mapping.options import Match
from jobsui.jobs.models import Cause, File, Job
from jobsui.jobs.preparation import checker, item_uploads, planner
from tests.web import stages

pytestmark = pytest.mark.django_db
NOTE = """#!{python}
import json, sys
body = sys.stdin.buffer.read().decode() if "--data-binary" in sys.argv else None
with open({log!r}, "a") as log:
    print(json.dumps([sys.argv[1:], body]), file=log)
print('{{"id": "7f2c", "state": "reading"}}')
"""
NASTY = (
    'it\'s "$(touch pwned)" `touch pwned` $HOME \\ \\n; & x \t\n\x1b[201~ü\x9b\nJSON\n'
)
BEARER = ["-H", "Authorization: Bearer T0KEN"]
AS_JSON = ["-H", "Content-Type: application/json", "--data-binary", "@-"]
V1 = "http://testserver/api/v1/"
V2 = "http://testserver/api/v2/custom_objects/gadget/jobs"

Run = Callable[[str], list[tuple[list[str], str | None]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a text by bash: [(arguments, what came by standard input), ...] of each curl
    and each manage.py."""
    log = tmp_path / "calls.jsonl"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for path in (tmp_path / "curl", tmp_path / ".venv" / "bin" / "python"):
        path.write_text(NOTE.format(python=sys.executable, log=str(log)))
        path.chmod(0o755)
    (tmp_path / "python3").symlink_to(sys.executable)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "JOBSUI_TOKEN": "T0KEN",
        "LC_ALL": "C.UTF-8",
    }

    def run(text: str) -> list[tuple[list[str], str | None]]:
        log.write_text("")
        subprocess.run(
            ["bash", "-c", text],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
        )
        assert not (tmp_path / "pwned").exists()
        return [
            (arguments, body)
            for arguments, body in map(json.loads, log.read_text().splitlines())
        ]

    return run


def shown(client: Client, job: Job) -> dict[str, str]:
    """{id of the snippet: text} of the snippets that can be copied from the page."""
    text = client.get(f"/jobs/{job.code}/api/").text
    assert set(re.findall(r'data-copy="#([^"]+)"', text)) == set(
        re.findall(r'<pre class="code" id="([^"]+)"', text)
    )
    return {
        name: unescape(pre)
        for name, pre in re.findall(
            r'<pre[^>]+id="([^"]+)"[^>]*>(.*?)</pre>', text, re.DOTALL
        )
    }


def posted(job: Job, **more: Any) -> dict[str, Any]:
    return {
        "connection": str(job.connection.code),
        "object": "gadget",
        "action": job.action,
        "launch": True,
    } | more


def items_job(action: Action = Action.UPSERT_BY_EXTERNAL_ID, count: int = 3) -> Job:
    """A launched job of items as a program gave them."""
    items: list[Any] = [
        {"external_id": f"g-{n}", "custom_object_fields": {"price": n}}
        for n in range(count)
    ]
    if action.deletes:
        items = [f"g-{n}" for n in range(count)]
    order = {"job": {"action": action.value, "items": items}}
    file = item_uploads.receive([json.dumps(order).encode()], "items").register(by=None)
    thing = stages.gadget()
    job = drafts.create_draft(thing.connection, "gadget", action, file, by=None)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    planner.plan(stages.changed(job, state=JobState.QUEUED), stopping=threading.Event())
    return stages.changed(job)


def test_rest_api_gets_the_file_and_the_same_job(operator: Client, run: Run) -> None:
    job = stages.settled()

    calls = run(shown(operator, job)["rest"])

    assert calls[0] == (["-sS", f"{V1}files", *BEARER, "-F", 'file=@"rows.csv"'], None)
    assert calls[1][0] == ["-X", "POST", f"{V1}jobs", *BEARER, *AS_JSON]
    assert json.loads(calls[1][1] or "") == posted(
        job,
        file="7f2c",
        mapping={"external_id": "external_id", "price": "price"},
        options={"blank": "skip", "invalid": "skip"},
    )
    assert len(calls) == 2


def test_runjob_gets_the_same_job(operator: Client, run: Run) -> None:
    job = stages.settled()

    calls = run(shown(operator, job)["command"])

    assert calls == [
        (
            [
                "manage.py",
                "runjob",
                "rows.csv",
                "--connection",
                "Acme",
                "--object",
                "gadget",
                "--action",
                "create_or_update_by_external_id",
                "--invalid",
                "skip",
                "--wait",
            ],
            None,
        )
    ]


def test_runjob_gets_the_mapping_unless_columns_map_themselves(
    operator: Client, run: Run
) -> None:
    job = stages.settled("external_id,Notes\ng-1,1\n")
    File.objects.update(columns=["No", "Notes"])
    Job.objects.update(mapping={"Notes": "field:price", "No": "external_id"})

    [(arguments, _)] = run(shown(operator, job)["command"])

    assert arguments[-5:] == [
        "--map",
        "No=external_id",
        "--map",
        "Notes=price",
        "--wait",
    ]


def test_rules_and_constants_are_part_of_both_snippets(
    operator: Client, run: Run, tmp_path: Path
) -> None:
    job = stages.settled("external_id,Notes\ng-1,1\n")
    rules = {"field:price": {"trim": True}, "field:seats": {"constant": "4"}}
    Job.objects.update(
        mapping={"Notes": "field:price", "external_id": "external_id"}, rules=rules
    )
    texts = shown(operator, job)

    [_, (_, body)] = run(texts["rest"])
    [(arguments, _)] = run(texts["command"])

    expected = {
        "mapping": {
            "external_id": "external_id",
            "Notes": {"field": "price", "trim": True},
        },
        "constants": {"seats": 4},
    }
    sent = json.loads(body or "")
    assert {name: sent[name] for name in expected} == expected
    assert json.loads((tmp_path / "mapping.json").read_text()) == expected
    assert arguments[-3:] == ["--mapping", "mapping.json", "--wait"]


def test_drop_in_endpoint_gets_the_first_items_as_they_were_sent(
    operator: Client, run: Run
) -> None:
    job = stages.settled("external_id,price\ng-1,1\ng-2,2\ng-3,3\n")

    [(arguments, body)] = run(shown(operator, job)["drop-in"])

    items = [
        {"external_id": f"g-{n}", "custom_object_fields": {"price": n}} for n in (1, 2)
    ]
    assert arguments == ["-X", "POST", V2, "-u", "api/token:T0KEN", *AS_JSON]
    assert json.loads(body or "") == {
        "job": {"action": "create_or_update_by_external_id", "items": items}
    }


def test_drop_in_snippet_shows_the_file_sample_before_planning(
    operator: Client, run: Run
) -> None:
    job = stages.checked(state=JobState.QUEUED)
    File.objects.update(
        sample=[
            [2, ["g-1", "x"]],
            [3, ["g-2", "2"]],
            [4, ["g-3", "3"]],
            [5, ["g-4", "4"]],
        ]
    )

    [(_, body)] = run(shown(operator, job)["drop-in"])

    items = [
        {"external_id": f"g-{n}", "custom_object_fields": {"price": n}} for n in (2, 3)
    ]
    assert json.loads(body or "")["job"]["items"] == items


def test_nothing_that_was_typed_is_run_by_the_shell(operator: Client, run: Run) -> None:
    job = stages.settled("external_id,notes\ng-1,placeholder\n")
    Connection.objects.update(name=NASTY)
    File.objects.update(name='it\'s "$(touch pwned)",;\\`x`.csv', columns=["-x", NASTY])
    Job.objects.update(
        mapping={"-x": "external_id", NASTY: "field:notes"}, object_key="gadget"
    )
    batch = job.batches.get()
    line = json.dumps(
        {"external_id": NASTY, "custom_object_fields": {"notes": NASTY}},
        ensure_ascii=False,
    )
    type(batch.blob).objects.update(**type(batch.blob).packed([line], [2]))

    texts = shown(operator, job)
    calls = {name: run(text) for name, text in texts.items()}

    assert calls["rest"][0][0][-1] == 'file=@"it\'s \\"$(touch pwned)\\",;\\\\`x`.csv"'
    assert json.loads(calls["rest"][1][1] or "")["mapping"] == {
        "-x": "external_id",
        NASTY: "notes",
    }
    [(arguments, _)] = calls["command"]
    assert arguments[2:5] == [
        'it\'s "$(touch pwned)",;\\`x`.csv',
        "--connection",
        NASTY,
    ]
    assert arguments[-4:] == [
        "--map=-x=external_id",
        "--map",
        f"{NASTY}=notes",
        "--wait",
    ]
    [(_, body)] = calls["drop-in"]
    assert json.loads(body or "")["job"]["items"] == [json.loads(line)]
    assert [
        char
        for text in texts.values()
        for char in text
        if (char < " " and char != "\n") or "\x7f" <= char < "\xa0"
    ] == []


@pytest.mark.parametrize(
    ("read_as", "rest", "command"),
    [
        ({"delimiter": "\t"}, ["delimiter=\t"], ["--delimiter", "tab"]),
        (
            {"delimiter": ";", "encoding": "cp1252"},
            ["encoding=cp1252", "delimiter=;"],
            ["--encoding", "cp1252", "--delimiter", "semicolon"],
        ),
        (
            {"chosen": {"quoting": "none", "header_row": 3}},
            ["quoting=none", "header_row=3"],
            ["--quoting", "none", "--header-row", "3"],
        ),
        (
            {
                "format": "xlsx",
                "delimiter": "",
                "encoding": "",
                "sheets": ["One", "It's two"],
                "sheet": "It's two",
            },
            ["sheet=It's two"],
            ["--sheet", "It's two"],
        ),
        (
            {
                "format": "xlsx",
                "delimiter": "",
                "encoding": "",
                "sheets": ["One"],
                "sheet": "One",
            },
            [],
            [],
        ),
    ],
)
def test_file_is_read_as_it_was(
    operator: Client,
    run: Run,
    read_as: dict[str, Any],
    rest: list[str],
    command: list[str],
) -> None:
    job = stages.settled()
    File.objects.update(**read_as)

    texts = shown(operator, job)
    upload, runjob = (run(texts[name])[0][0] for name in ("rest", "command"))

    assert upload[6:] == [word for value in rest for word in ("--form-string", value)]
    assert runjob[9:-3] == command


def test_job_of_items_is_asked_for_by_its_items(operator: Client, run: Run) -> None:
    job = items_job()

    texts = shown(operator, job)
    [(arguments, body)] = run(texts["rest"])

    items = [
        {"external_id": f"g-{n}", "custom_object_fields": {"price": n}} for n in (0, 1)
    ]
    assert arguments == ["-X", "POST", f"{V1}jobs", *BEARER, *AS_JSON]
    assert json.loads(body or "") == posted(job, items=items)
    assert set(texts) == {"rest", "drop-in"}
    assert (
        "This job has items in Zendesk's own format."
        in operator.get(f"/jobs/{job.code}/api/").text
    )


def test_ids_to_delete_are_items_with_a_name_in_the_rest_api(
    operator: Client, run: Run
) -> None:
    job = items_job(Action.DELETE_BY_EXTERNAL_ID)

    texts = shown(operator, job)
    [(_, rest)] = run(texts["rest"])
    [(_, drop_in)] = run(texts["drop-in"])

    assert json.loads(rest or "") == posted(
        job, items=[{"external_id": "g-0"}, {"external_id": "g-1"}]
    )
    assert json.loads(drop_in or "")["job"]["items"] == ["g-0", "g-1"]


def test_retry_is_asked_for_of_the_job_before_it(operator: Client, run: Run) -> None:
    parent = stages.settled(stages.ROWS, stages.failed())
    child = stages.changed(retries.create_retry(parent, by=None), state=JobState.QUEUED)

    texts = shown(operator, child)
    [(arguments, body)] = run(texts["rest"])

    assert arguments == [
        "-X",
        "POST",
        f"{V1}jobs/{parent.code}/retry",
        *BEARER,
        *AS_JSON,
    ]
    assert json.loads(body or "") == {"launch": True}
    assert set(texts) == {"rest", "drop-in"}
    assert (
        "This job sends only some rows of another job."
        in operator.get(f"/jobs/{child.code}/api/").text
    )


def test_retry_of_one_cause_names_it(operator: Client, run: Run) -> None:
    parent = stages.settled(stages.ROWS, stages.failed())
    cause = parent.causes.filter(phase=Cause.Phase.SEND).failed().get()
    child = stages.changed(
        retries.create_retry(parent, by=None, cause=cause), state=JobState.QUEUED
    )

    [(_, body)] = run(shown(operator, child)["rest"])

    assert json.loads(body or "") == {"cause": cause.pk, "launch": True}


def test_job_without_external_ids_of_ours_is_asked_for_without_them(
    operator: Client, run: Run
) -> None:
    job = stages.settled()
    Job.objects.update(options=job.options | {"generate_external_ids": False})

    texts = shown(operator, job)
    calls = {name: run(texts[name]) for name in ("rest", "command")}

    assert json.loads(calls["rest"][1][1] or "")["options"] == {
        "blank": "skip",
        "invalid": "skip",
        "generate_external_ids": False,
    }
    assert "--no-generate-external-ids" in calls["command"][0][0]


def test_compared_job_is_compared_again(operator: Client, run: Run) -> None:
    job = stages.settled()
    Job.objects.update(options=job.options | {"compare": True})

    texts = shown(operator, job)
    calls = {name: run(texts[name]) for name in ("rest", "command")}

    assert json.loads(calls["rest"][1][1] or "")["options"] == {
        "blank": "skip",
        "invalid": "skip",
        "compare": True,
    }
    assert "--compare" in calls["command"][0][0]


@pytest.mark.usefixtures("client")
def test_options_of_the_job_are_asked_for(operator: Client, run: Run) -> None:
    job = stages.settled()
    chosen = {"warnings": "skip", "only_existing": True, "keep_undo": True}
    Job.objects.update(options=job.options | chosen)

    texts = shown(operator, job)
    calls = {name: run(texts[name]) for name in ("rest", "command")}

    options = json.loads(calls["rest"][1][1] or "")["options"]
    assert options == {"blank": "skip", "invalid": "skip"} | chosen
    [(words, _)] = calls["command"]
    assert words[words.index("--warnings") + 1] == "skip"
    assert {"--only-existing", "--keep-undo"} <= set(words)


def test_job_that_makes_the_account_match_is_asked_for(
    operator: Client, run: Run
) -> None:
    job = stages.settled()
    match = asdict(
        Match(different="leave", only_in_account="delete", max_percent=5, max_records=7)
    )
    Job.objects.update(options=job.options | {"match": match})

    texts = shown(operator, job)
    options = json.loads(run(texts["rest"])[1][1] or "")["options"]
    [(words, _)] = run(texts["command"])

    assert options["match"] == match
    start = words.index("--match")
    assert words[start : start + 9] == [
        "--match",
        "--different",
        "leave",
        "--only-in-account",
        "delete",
        "--delete-at-most",
        "7",
        "--max-percent",
        "5",
    ]


def test_first_items_of_a_compared_job_have_the_action_of_their_batch(
    operator: Client, run: Run
) -> None:
    job = stages.planned()
    job.batches.update(own_action=Action.UPDATE)

    [(_, body)] = run(shown(operator, job)["drop-in"])

    assert json.loads(body or "")["job"]["action"] == "update"


def test_undo_is_asked_for_of_the_job_before_it(operator: Client, run: Run) -> None:
    parent = stages.settled()
    rows = RowRanges([(2, 2), (4, 9)])
    fields = ["name", "custom_object_fields.price"]
    draft = undo.create(parent, by=None, rows=rows, fields=fields)
    job = stages.changed(draft, state=JobState.QUEUED)

    texts = shown(operator, job)
    [(arguments, body)] = run(texts["rest"])

    assert arguments[2] == f"{V1}jobs/{parent.code}/undo"
    assert json.loads(body or "") == {
        "rows": ["2-2", "4-9"],
        "fields": ["price", "name"],
        "launch": True,
    }
    assert set(texts) == {"rest"}
    assert "This job undoes another job" in operator.get(f"/jobs/{job.code}/api/").text


def test_addresses_are_those_of_this_server(operator: Client, settings: Any) -> None:
    job = stages.settled()
    settings.ALLOWED_HOSTS = ["jobs.example.com"]

    text = operator.get(
        f"/jobs/{job.code}/api/", secure=True, headers={"host": "jobs.example.com:8443"}
    ).text

    assert set(re.findall(r"http[^ ]+/api/v\d/", text)) == {
        "https://jobs.example.com:8443/api/v1/",
        "https://jobs.example.com:8443/api/v2/",
    }


def test_api_page_asks_little(
    operator: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = stages.settled()

    with django_assert_num_queries(6):  # session, user, roles, job, first batch, object
        operator.get(f"/jobs/{job.code}/api/")


def test_draft_has_no_api_page(operator: Client) -> None:
    assert operator.get(f"/jobs/{stages.draft().code}/api/").status_code == 404
