"""Watches the records of a compared job while it is sent: reads from the incremental export
which of them change (`delivery/watched_changes.py`). It reads one page at a time and stores
what the page showed with the next cursor, so any process can continue."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobsui.connections.errors import ConnectionsError, explain
from jobsui.jobs import account_client, leases
from jobsui.jobs.enums import SENDABLE, Component, EventKind
from jobsui.jobs.errors import DATABASE_AWAY
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import ChangedRecords, Job, RecordRead, RecordWatch
from jobsui.jobs.timing import Timing
from jobsui.zendesk import custom_objects
from jobsui.zendesk.custom_objects import ExportPage
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    ZendeskError,
)

logger = logging.getLogger(__name__)

MARGIN = timedelta(seconds=125)
"""The export refuses a start that is less than a minute ago, and our clock may differ from the
account's clock (assumed: by at most a minute)."""
MAX_PAGES = 4
"""How many pages are read at the same time in one process."""
NO_EXPORT = "This connection is not allowed to read the incremental export."
READ_INSTEAD = (
    "So the records of each batch are read right before it is sent, which takes one more request "
    "for each."
)


def start(job: Job, comparison: RecordRead) -> None:
    """Watch the records of a job that is launched with this comparison."""
    RecordWatch.objects.create(
        job=job, since=comparison.created_at - MARGIN, next_at=Now()
    )


def waiting(
    stopping: threading.Event, timing: Timing
) -> Mapping[str, Callable[[], None]]:
    """{name: function that reads a page}, for pages that are due and that no process reads.
    Empty while the database is away."""
    due = RecordWatch.objects.filter(next_at__lte=Now(), job__state__in=SENDABLE)
    try:
        jobs = list(due.order_by("next_at").values_list("pk", flat=True)[:MAX_PAGES])
    except DATABASE_AWAY:
        return {}
    return {
        _lease_name(pk): partial(_read_or_report, pk, stopping, timing) for pk in jobs
    }


def read_page(job_id: int, *, stopping: threading.Event, timing: Timing) -> None:
    """Read the next page of a watched job, if it is due. Raises LeaseLost."""
    with leases.held(_lease_name(job_id)) as lease:
        due = RecordWatch.objects.filter(pk=job_id, next_at__lte=Now())
        watch = due.select_related("job__connection").annotate(now=Now()).first()
        if lease is not None and watch is not None:
            _Reading(watch, watch.now, lease, stopping, timing).run()


class _Reading:
    """Reads one page of the export."""

    def __init__(
        self,
        watch: RecordWatch,
        began_at: datetime,
        lease: leases.Held,
        stopping: threading.Event,
        timing: Timing,
    ) -> None:
        self._watch = watch
        self._began_at = began_at
        self._lease = lease
        self._stopping = stopping
        self._timing = timing

    def run(self) -> None:
        timing = self._timing
        try:
            page = self._read()
        except RateLimited as error:
            wait = timing.watch_interval
            self._save(wait if error.retry_after is None else error.retry_after)
        except Refused as error:
            # The account may no longer accept the cursor.
            refusal = "" if self._watch.cursor else _explained(error)
            self._save(timing.watch_interval, cursor="", refusal=refusal)
        except ConnectionsError as error:
            self._save(timing.watch_interval, refusal=str(error))
        except ZendeskError as error:
            # This process may also be stopping. The cursor stays as it is.
            account_client.postpone(self._watch.job.connection, error)
            self._save(timing.watch_page_interval)
        else:
            self._store(page)

    def _read(self) -> ExportPage:
        watch = self._watch
        client = account_client.patient_client_for(watch.job.connection, self._may_call)
        return client.renewing(
            lambda: custom_objects.changed_records(
                client,
                watch.job.object_key,
                start=int(watch.since.timestamp()),
                cursor=watch.cursor,
            )
        )

    def _may_call(self) -> bool:
        return not self._stopping.is_set() and self._lease.keep()

    def _store(self, page: ExportPage) -> None:
        fields: dict[str, object] = {"cursor": page.cursor, "refusal": ""}
        wait = self._timing.watch_page_interval
        if page.is_end:
            fields["read_at"] = self._began_at
            wait = self._timing.watch_interval
        with transaction.atomic():
            if page.records:
                ids = [record.id for record in page.records]
                ChangedRecords.objects.create(
                    watch=self._watch,
                    seq=self._watch.pages + 1,
                    packed_hashes=ChangedRecords.packed(ids),
                )
                fields["pages"] = F("pages") + 1
            self._save(wait, **fields)

    def _save(self, wait: float, **fields: object) -> None:
        """`wait`: seconds until the next page is read. Raises LeaseLost."""
        watch = self._watch
        with transaction.atomic():
            leases.fence(self._lease)
            RecordWatch.objects.filter(pk=watch.pk).update(
                next_at=Now() + timedelta(seconds=wait), **fields
            )
            refusal = fields.get("refusal", watch.refusal)
            if refusal and not watch.refusal:
                lifecycle.record(
                    watch.job,
                    EventKind.NOT_WATCHED,
                    by=Component.DRIVER,
                    facts={"reason": f"{refusal} {READ_INSTEAD}"},
                )


def _explained(error: Refused) -> str:
    return NO_EXPORT if isinstance(error, Forbidden | NotFound) else explain(error)


def _read_or_report(job_id: int, stopping: threading.Event, timing: Timing) -> None:
    """`read_page`, for a thread of its own. Errors go to the log."""
    try:
        read_page(job_id, stopping=stopping, timing=timing)
    except leases.LeaseLost:
        logger.warning("Another process watches the records of job %s.", job_id)
    except Exception:
        logger.exception("Watching the records of job %s failed.", job_id)
        stopping.wait(timing.crash_retry_interval)
    finally:
        connection.close()


def _lease_name(job_id: int) -> str:
    return f"watch:{job_id}"
