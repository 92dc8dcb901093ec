"""The mutants: faults that are put into the engine on purpose, each of a few words."""

from dataclasses import dataclass

DELIVERY = "jobsui/jobs/delivery"
LEDGER = "jobsui/jobs/ledger"
LIVE = "jobsui/jobs/live"
PREPARATION = "jobsui/jobs/preparation"
TESTS = "tests/jobs"
IMAGES = f"{TESTS}/test_before_images.py"
PLANS = "tests/sim/test_histories.py::test_what_was_wrong_once_is_right"


@dataclass(frozen=True)
class Mutant:
    name: str
    path: str
    old: str
    new: str
    profile: str = ""
    """The histories that are played: those of this profile, or of all."""
    test: str = ""
    """The test that notices it, where a history cannot."""


MUTANTS = (
    Mutant(
        "requests leave before the commit",
        f"{DELIVERY}/driver.py",
        "            requests = self._claim(chosen)\n",
        "            requests = self._claim(chosen)\n            self._post(requests)\n",
    ),
    Mutant(
        "no fence",
        "jobsui/jobs/leases.py",
        "    if not sql.is_held(held.name, held.epoch, held.owner):\n",
        "    if False:\n",
        test=(f"{TESTS}/test_leases.py::test_an_owner_that_slept_is_fenced"),
    ),
    Mutant(
        "a renewal never fails",
        "jobsui/jobs/leases.py",
        "        if not self._mine.update(expires_at=Now() + self.ttl):\n",
        "        if not self._mine.update(expires_at=Now() + self.ttl) and False:\n",
        profile="frozen drivers",
    ),
    Mutant(
        "a stale driver sends",
        f"{DELIVERY}/driver.py",
        "        is_fresh = self.lease.age < self.timing.lease_stale_after\n",
        "        is_fresh = True\n",
        test=f"{TESTS}/test_driver_ownership.py::test_a_driver_with_a_stale_lease_sends_nothing",
    ),
    Mutant(
        "batches of a dead driver count as not sent",
        f"{DELIVERY}/decision.py",
        "        expected=BatchState.SENDING,\n        state=BatchState.UNCONFIRMED,\n",
        "        expected=BatchState.SENDING,\n        state=BatchState.PLANNED,\n",
        test=(
            f"{TESTS}/test_driver_ownership.py"
            "::test_the_next_driver_settles_what_a_dead_one_was_sending"
        ),
    ),
    Mutant(
        "an unclear response counts as not sent",
        f"{DELIVERY}/decision.py",
        "        case _:\n            return unconfirmed(\n",
        "        case _:\n"
        "            return _send_again(posted, AttemptResult.NOT_SENT)\n"
        "            return unconfirmed(\n",
        test=(
            f"{TESTS}/test_decision.py"
            "::test_request_without_a_clear_answer_is_unconfirmed"
        ),
    ),
    Mutant(
        "no wait for a frozen driver's request",
        f"{DELIVERY}/recovery.py",
        "now + last_request_ends - timing.lease_ttl",
        "now - 1000",
        profile="frozen requests",
    ),
    Mutant(
        "no quiet time",
        f"{DELIVERY}/reconciliation.py",
        "        return self.waited < self.quiet_time\n",
        "        return False\n",
        profile="lagging create",
    ),
    Mutant(
        "running jobs are not waited for",
        f"{DELIVERY}/reconciliation.py",
        "    return any(not status.is_over for status in _unknown_jobs_of_size(batch))\n",
        "    return False\n",
        profile="slow jobs",
    ),
    Mutant(
        "content is not compared",
        "jobsui/jobs/mapping/comparison.py",
        "        likeness(value, record.fields.get(key)) is not Likeness.DIFFERENT\n"
        "        for key, value in fields.items()\n",
        "        True for _ in fields\n",
        profile="foreign record",
    ),
    Mutant(
        "a change of somebody else is overwritten",
        f"{DELIVERY}/reconciliation.py",
        "    if action is Action.CREATE or _has_changed(request, record):\n",
        "    if action is Action.CREATE:\n",
        profile="edited between",
    ),
    Mutant(
        "failures of a repeat are not verified",
        f"{DELIVERY}/driver.py",
        "        if finished.failures and request.resent:\n",
        "        if False:\n",
        test=f"{TESTS}/test_driver_faults.py::test_a_first_request_that_arrives_late_fails_no_row",
    ),
    Mutant(
        "a taken key without a record is a failure",
        f"{DELIVERY}/reconciliation.py",
        "            case Match.ABSENT if _says_taken(results[index]):\n",
        "            case Match.ABSENT if False:\n",
        test=f"{TESTS}/test_reconciliation.py::test_a_taken_key_without_a_record_is_not_a_failure_yet",
    ),
    Mutant(
        "temporary failures are final",
        f"{DELIVERY}/finished_batches.py",
        "    if request.accepted_before >= MAX_REPEATS:\n",
        "    if True:\n",
        profile="passing failures",
    ),
    Mutant(
        "results are taken by position",
        f"{DELIVERY}/batch_request.py",
        "    indexes = [sent.named_by(result) for result in reported]\n",
        "    indexes = [i for i, _ in request.items][: len(reported)]\n",
        profile="odd results",
    ),
    Mutant(
        "an index is believed against the key",
        f"{DELIVERY}/batch_request.py",
        "        if is_other and self._must_have_sent_external_id(position):\n",
        "        if False:\n",
        profile="odd results",
    ),
    Mutant(
        "an unknown word counts as success",
        "jobsui/zendesk/custom_objects.py",
        "    return Verdict.NAMED if record_id and not status else Verdict.UNKNOWN\n",
        "    return Verdict.SUCCEEDED if record_id else Verdict.UNKNOWN\n",
        test=f"{TESTS}/test_batch_request.py::test_a_record_id_that_was_sent_proves_nothing",
    ),
    Mutant(
        "refused reads are not counted",
        f"{DELIVERY}/decision.py",
        "    if result.unconfirmed.reconcile_count < most:\n",
        "    if True:\n",
        profile="refused reads",
    ),
    Mutant(
        "refused polls are waited for without end",
        f"{DELIVERY}/running_batches.py",
        "        if isinstance(result.error, Refused):\n",
        "        if False:\n",
        profile="refused reads",
    ),
    Mutant(
        "leases of the future are not cut",
        "jobsui/jobs/leases.py",
        "    too_long.update(expires_at=Now() + longest)\n",
        "    too_long.none().update(expires_at=Now() + longest)\n",
        test=f"{TESTS}/test_leases.py::test_a_lease_of_the_future_is_cut_to_its_ttl",
    ),
    Mutant(
        "a commit with an unknown result is forgotten",
        f"{DELIVERY}/driver.py",
        "            self.needs_resync = True\n",
        "            self.needs_resync = False\n",
        test=f"{TESTS}/test_driver_faults.py::test_a_commit_of_unknown_outcome_sends_nothing_twice",
    ),
    Mutant(
        "counters are off by one",
        f"{LEDGER}/settlement.py",
        "        for outcome, number in Counter(map(_outcome_of, results)).items():\n",
        "        results = list(results)[1:]\n"
        "        for outcome, number in Counter(map(_outcome_of, results)).items():\n",
    ),
    Mutant(
        "a lost job status is polled without end",
        f"{DELIVERY}/running_batches.py",
        "        return at - batch.absent_since >= timeout\n",
        "        return False\n",
        profile="expired statuses",
    ),
    Mutant(
        "a 429 to a poll is ignored",
        f"{DELIVERY}/account_limits.py",
        "            case RateLimited(retry_after=wait):\n",
        "            case RateLimited() if calls is self.reads:\n"
        "                pass\n"
        "            case RateLimited(retry_after=wait):\n",
        profile="limits",
    ),
    Mutant(
        "a 503 to a poll is ignored",
        f"{DELIVERY}/account_limits.py",
        "                    self.budget.block(wait)\n",
        "                    pass\n",
        profile="limits",
    ),
    Mutant(
        "Retry-After is ignored",
        f"{DELIVERY}/rate_limits.py",
        "            until = self._clock.monotonic() + seconds\n            self._blocked",
        "            until = self._clock.monotonic()\n            self._blocked",
        test=(
            f"{TESTS}/test_rate_limits.py::test_budget_blocks_as_long_as_zendesk_asks"
        ),
    ),
    Mutant(
        "Retry-After is forgotten at a takeover",
        f"{DELIVERY}/kept_wait.py",
        "            self._limits.budget.block(seconds)\n            self._saved",
        "            self._saved",
        test=(
            f"{TESTS}/test_account_wait.py"
            "::test_next_driver_sends_nothing_before_the_wait_is_over"
        ),
    ),
    Mutant(
        "requests cost nothing",
        f"{DELIVERY}/rate_limits.py",
        "        self._tokens -= 1.0\n        self._spent_at.append(self._clock.monotonic())\n",
        "        pass\n",
        test=(
            f"{TESTS}/test_rate_limits.py"
            "::test_budget_spends_its_share_and_never_more_than_the_limit"
        ),
    ),
    Mutant(
        "running jobs are not limited",
        f"{DELIVERY}/account_limits.py",
        "        return min(most - occupied, int(free - unknown))\n",
        "        return 1000\n",
        test=(
            f"{TESTS}/test_rate_limits.py::test_unconfirmed_batches_and_posts_take_room"
        ),
    ),
    Mutant(
        "more than 100 job statuses are polled at once",
        f"{DELIVERY}/running_batches.py",
        "        polled = tuple(batches[:MAX_POLLED])\n",
        "        polled = tuple(batches)\n",
        test=f"{TESTS}/test_polling.py::test_a_poll_asks_for_at_most_100_jobs",
    ),
    Mutant(
        "a takeover does not raise the epoch",
        "jobsui/jobs/leases.py",
        'epoch=F("epoch") + 1',
        'epoch=F("epoch")',
        test=f"{TESTS}/test_leases.py::test_a_lease_that_ran_out_is_taken_with_a_new_epoch",
    ),
    Mutant(
        "accepted batches of a dead driver are not polled",
        f"{DELIVERY}/recovery.py",
        "    return [\n        RunningBatch(",
        "    return [] and [\n        RunningBatch(",
    ),
    Mutant(
        "batches are counted twice",
        f"{LEDGER}/settlement.py",
        '    counters.add(batch.job_id, "batches_done")\n',
        '    counters.add(batch.job_id, "batches_done", 2)\n',
    ),
    Mutant(
        "results reported twice count twice",
        f"{LEDGER}/settlement.py",
        "in _merged(reported) if",
        "in reported if",
        test=(
            f"{TESTS}/test_settlement.py"
            "::test_results_reported_twice_in_one_transaction_count_once"
        ),
    ),
    Mutant(
        "a later result replaces an earlier one",
        f"{LEDGER}/settlement.py",
        "        if index < len(results) and results[index] is None:\n",
        "        if index < len(results):\n",
        test=f"{TESTS}/test_settlement.py::test_an_item_of_an_open_batch_keeps_its_first_result",
    ),
    Mutant(
        "a transition applies in any state",
        f"{DELIVERY}/transitions.py",
        "        if batch.state != transition.expected:\n            continue\n",
        "",
    ),
    Mutant(
        "each row has its neighbour's result",
        f"{DELIVERY}/batch_request.py",
        "    times = Counter(indexes)\n",
        "    times = Counter(indexes)\n    reported = reported[1:] + reported[:1]\n",
    ),
    Mutant(
        "results count among the open items",
        f"{DELIVERY}/batch_request.py",
        "        return self._items[position][0]\n",
        "        return position\n",
        profile="refused rows",
    ),
    Mutant(
        "a refused batch is not halved",
        f"{DELIVERY}/decision.py",
        "        half = (len(items) + 1) // 2\n",
        "        half = len(items)\n",
        test=(f"{TESTS}/test_decision.py::test_refused_batch_is_split"),
    ),
    Mutant(
        "a refused request fails its last row",
        f"{DELIVERY}/decision.py",
        "    if len(items) > 1:\n",
        "    if len(items) > 2:\n",
        test=(f"{TESTS}/test_decision.py::test_refused_batch_is_split"),
    ),
    Mutant(
        "a retry has all rows of its parent",
        f"{PREPARATION}/job_rows.py",
        "Membership.OWN if row in failed else Membership.NONE\n",
        "Membership.OWN\n",
        test=(f"{TESTS}/test_retries.py::test_retry_of_a_cause_has_only_its_rows"),
    ),
    Mutant(
        "a planner repeats a row after a kill",
        f"{PREPARATION}/job_blocks.py",
        "pc.greater(self.numbers, after)",
        "pc.greater_equal(self.numbers, after)",
        test=(
            f"{TESTS}/test_planner.py"
            "::test_interrupted_planner_continues_behind_its_last_commit"
        ),
    ),
    Mutant(
        "a planner skips a row after a kill",
        f"{PREPARATION}/job_blocks.py",
        "pc.greater(self.numbers, after)",
        "pc.greater(self.numbers, after + 1)",
        test=(
            f"{TESTS}/test_planner.py"
            "::test_interrupted_planner_continues_behind_its_last_commit"
        ),
    ),
    Mutant(
        "a pause is not seen by the next claim",
        "jobsui/jobs/sql.py",
        "AND state IN ({_marks(SENDABLE)}) ",
        "AND (1 = 1 OR state IN ({_marks(SENDABLE)})) ",
        test=(
            f"{TESTS}/test_driver.py"
            "::test_pause_and_cancel_come_before_a_claim_that_was_chosen"
        ),
    ),
    Mutant(
        "a cancel forgets unconfirmed rows",
        f"{LEDGER}/lifecycle.py",
        "        settlement.mark_uncertain(batch, sent, CANCELLED_UNCONFIRMED, counters)\n",
        "        pass\n",
        test=f"{TESTS}/test_settlement.py::test_cancelling_leaves_what_may_have_arrived_uncertain",
    ),
    Mutant(
        "a job of another batch is taken",
        f"{DELIVERY}/reconciliation.py",
        "        if status.id not in known and status.total",
        "        if status.total",
        test=f"{TESTS}/test_reconciliation.py::test_a_job_of_another_batch_is_not_a_match",
    ),
    Mutant(
        "a status that another batch has is taken",
        f"{DELIVERY}/decision.py",
        "    if finding.status_id in known_status_ids:\n",
        "    if False:\n",
        test=f"{TESTS}/test_decision.py::test_open_finding_is_reconciled_again",
    ),
    Mutant(
        "rows that succeeded are opened again",
        f"{LEDGER}/settlement.py",
        "        if result is not None and result.outcome == Outcome.UNCERTAIN:\n",
        "        if result is not None:\n",
        test=(f"{TESTS}/test_actions.py::test_uncertain_rows_can_be_reopened"),
    ),
    Mutant(
        "the order of jobs is not kept",
        "jobsui/jobs/sql.py",
        "        blocked.setdefault(job_id, []).append((first_row, last_row))\n",
        "        pass\n",
        test=(
            f"{TESTS}/test_record_order.py"
            "::test_rows_wait_until_the_earlier_job_is_past_its_own"
        ),
    ),
    Mutant(
        "a refused read pauses other jobs",
        f"{DELIVERY}/decision.py",
        'Pause(f"{REFUSED_READ} {reason}", job_id=result.request.job_id)',
        "Pause(REFUSED_READ, connection_id=result.request.connection_id)",
        test=(f"{TESTS}/test_decision.py::test_refused_read_pauses_its_own_job_only"),
    ),
    Mutant(
        "a refused poll pauses other jobs",
        f"{DELIVERY}/decision.py",
        "            pause = Pause(reason, job_id=result.request.job_id)\n",
        "            pause = Pause(reason, connection_id=result.request.connection_id)\n",
        test=f"{TESTS}/test_decision.py::test_refused_poll_pauses_its_own_job_only",
    ),
    Mutant(
        "an older record counts as created",
        f"{DELIVERY}/reconciliation.py",
        "    return created_at < _first_sent_at(request) - CLOCK_TOLERANCE\n",
        "    return False\n",
        test=f"{TESTS}/test_reconciliation.py::test_create_that_found_an_older_record_failed",
    ),
    Mutant(
        "an unconfirmed create without keys is sent again",
        f"{DELIVERY}/reconciliation.py",
        "        return _match_job(batch)\n",
        '        return _resend(batch, "")\n',
        test=(
            f"{TESTS}/test_reconciliation.py"
            "::test_create_without_external_ids_is_never_sent_again_silently"
        ),
    ),
    Mutant(
        "every attempt without effect has a row",
        f"{DELIVERY}/claims.py",
        "    return len(latest) == 2 and all(\n",
        "    return False and all(\n",
        test=f"{TESTS}/test_attempts.py::test_attempts_without_effect_are_counted_on_the_batch",
    ),
    Mutant(
        "an attempt that may have arrived is replaced",
        f"{DELIVERY}/claims.py",
        "        return self.result in NO_EFFECT\n",
        "        return True\n",
        test=f"{TESTS}/test_attempts.py::test_an_attempt_that_may_have_arrived_keeps_its_row",
    ),
    Mutant(
        "the window of an object is not kept",
        f"{DELIVERY}/driver.py",
        "self.objects.room(self._in_flight()),",
        "{},",
        test=f"{TESTS}/test_object_windows.py::test_no_more_batches_run_than_the_window_of_their_object",
    ),
    Mutant(
        "rows that no request carried become uncertain",
        f"{LEDGER}/settlement.py",
        "range(last_item + 1), reason, counters)",
        "range(batch.size), reason, counters)",
        test=f"{TESTS}/test_stop_waiting.py::test_items_that_no_request_carried_are_not_uncertain",
    ),
    Mutant(
        "a request that may still run is sent again",
        "jobsui/jobs/control/uncertain_rows.py",
        "        reopened = BatchState.UNCONFIRMED if stopped.exists() else state\n",
        "        reopened = state\n",
        test=f"{TESTS}/test_stop_waiting.py::test_resending_waits_for_the_request_that_is_still_running",
    ),
    Mutant(
        "job statuses of earlier parts are forgotten",
        f"{DELIVERY}/transitions.py",
        "        if batch.status_id and transition.status_id is not None:\n",
        "        if False:\n",
        test=f"{TESTS}/test_driver_faults.py::test_a_lost_part_takes_no_results_of_another_part",
    ),
    Mutant(
        "no account gives way",
        f"{DELIVERY}/turns.py",
        "    if number <= 0:\n",
        "    if True:\n",
        profile="starved accounts",
    ),
    Mutant(
        "a turn forgets what the last one observed",
        f"{DELIVERY}/turns.py",
        "            if previous.has_ended_in_order:\n",
        "            if False:\n",
        test=f"{PLANS}[two-accounts-take-turns-with-unconfirmed-batches]",
    ),
    Mutant(
        "a turn ends while it waits for an absence to last",
        f"{DELIVERY}/turns.py",
        "        return (is_idle and not self._is_watching) or age",
        "        return is_idle or age",
        test=f"{PLANS}[accounts-move-between-workers-with-unconfirmed-batches]",
    ),
    Mutant(
        "a job is launched twice at once",
        "jobsui/jobs/control/actions.py",
        "            state=JobState.READY,\n            checked_fingerprint",
        "            checked_fingerprint",
        test=(
            f"{TESTS}/test_record_order.py"
            "::test_a_second_launch_of_a_job_that_waits_for_another_is_refused"
        ),
    ),
    Mutant(
        "what a row has written counts as what was there",
        f"{DELIVERY}/prior_reads.py",
        "        if may_be_ours and index in stored:\n",
        "        if False:\n",
        test=f"{IMAGES}::test_batch_that_is_sent_again_keeps_its_images",
    ),
    Mutant(
        "changes are not refused",
        f"{DELIVERY}/prior_reads.py",
        "        if refuses and compared is not None:\n",
        "        if False:\n",
        profile="refused changes",
    ),
    Mutant(
        "a record that was not there is not kept",
        "jobsui/jobs/records/before_images.py",
        "        return None if is_ours else",
        "        return",
        test=f"{IMAGES}::test_record_that_we_may_have_created_counts_as_new",
    ),
    Mutant(
        "a record with one other value counts as the same",
        "jobsui/jobs/records/compare.py",
        "    if not changes:\n",
        "    if len(changes) < 2:\n",
        profile="compared",
    ),
    Mutant(
        "rows that were left out are sent",
        f"{LIVE}/plan.py",
        "    if row.is_left_out:\n",
        "    if False:\n",
        profile="compared",
    ),
    Mutant(
        "rows of a proof are divided twice",
        f"{LIVE}/sent_rows.py",
        "if after < row[0] <= last_row",
        "if row[0] <= last_row",
        profile="proved",
    ),
    Mutant(
        "a record that is gone counts as landed",
        f"{LIVE}/proof.py",
        "Proved(Landing.GONE)",
        "Proved(Landing.EXACT)",
        profile="proved",
    ),
    Mutant(
        "a record that changed is deleted",
        f"{DELIVERY}/prior_reads.py",
        "    if record.updated_at == compared.updated_at and not changed:\n",
        "    if True:\n",
        profile="matched",
    ),
    Mutant(
        "pages of the list are skipped",
        f"{LIVE}/account_listing.py",
        "            if self._is_missing(record):\n"
        "                self._keep(record)\n"
        "        listing.list_cursor",
        "            if self._is_missing(record) and not page.after:\n"
        "                self._keep(record)\n"
        "        listing.list_cursor",
        profile="matched",
    ),
    Mutant(
        "an undo puts back what was changed since",
        f"{LIVE}/undo.py",
        "        elif is_equal(name, written.get(name), now, schema):\n",
        "        elif True:\n",
        profile="undone",
    ),
    Mutant(
        "an undo with an outdated read is launched",
        "jobsui/jobs/control/undo.py",
        "    if is_outdated(read):\n",
        "    if False:\n",
        profile="undone",
    ),
    Mutant(
        "a record that is as it was read counts as changed",
        "jobsui/jobs/records/before_images.py",
        "_is_computed(name, schema) or is_equal(name, old, now, schema)",
        "_is_computed(name, schema)",
        profile="undone",
    ),
    Mutant(
        "records that the export shows are not read",
        f"{DELIVERY}/watched_changes.py",
        "                or changes.has(batch)\n",
        "",
        profile="compared",
    ),
    Mutant(
        "a cursor is stored before what was read up to it",
        f"{LIVE}/record_watch.py",
        "        with transaction.atomic():\n            if page.records:\n",
        "        self._save(wait, **fields)\n"
        "        with transaction.atomic():\n            if page.records:\n",
        test=f"{TESTS}/test_record_watch.py::test_killed_watch_continues",
    ),
    Mutant(
        "an undo beside an open job sends what it has not read",
        f"{LIVE}/plan.py",
        "    if job.parent_rows == ParentRows.UNDONE:\n        # It",
        "    if False:\n        # It",
        test=(
            f"{TESTS}/test_undo.py"
            "::test_undo_beside_an_earlier_open_job_sends_what_it_has_read"
        ),
    ),
)
