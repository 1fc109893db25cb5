"""What the workers of the clusters `look` and `keep` do with one row each, and how they drain what is due.

Network work runs in a few threads; every row is claimed with a lease first, so that workers anywhere may share the
tables.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import zip_longest

import structlog
from django.conf import settings
from django.db import connection, transaction

from integrations import breaker, correlation, dead_letters, providers, redaction
from integrations.failpoints import failpoint
from integrations.models import Breaker, Delivery
from payments import actions, approvals, expiry, idempotency, inbox, sweeping, unverified
from payments.audit import sealing
from payments.calls import money as money_calls
from payments.calls import sending as calls
from payments.cases.opening import open_case
from payments.clock import Clock
from payments.disputes import calls as evidence_calls
from payments.ledger import watch as ledger_watch
from payments.models import PaymentAttempt, ProviderCall, ProviderEvent
from payments.models.case import CaseKind
from payments.monitoring import watch
from payments.payouts import watch as payout_watch
from payments.reconciliation import schedule
from payments.settlement import Outcome, lock, look
from payments.states import AttemptState, CallState

log = structlog.get_logger(__name__)

PAGE_SECONDS = settings.DRAIN_SECONDS * 2 // 5
"""So long before the end of its drain the keeper asks for no more pages of payouts and lists: 8 of 20."""
THREADS = 4
BATCH = 16
PROOFS = 4
"""Of what anybody may send (payments/unverified.py), fewer at a time: looks come first."""

Job = Callable[[], None]


def drain_looks(*, clock: Clock) -> int:
    """Work on events, due attempts and unfinished calls until nothing is due or time is up; return how many.

    It watches too (payments/monitoring/watch.py), so that a silent cluster `keep` is told of.
    """
    watch.once_a_minute(clock())
    # A look begun at the last moment must end within the task.
    return _drain(_look_jobs, clock=clock, seconds=settings.TASK_SECONDS - settings.LOOK_SECONDS)


def keep_house(*, clock: Clock) -> int:
    """Expire orders, tell of parked events, forget old idempotency keys; return how many rows were seen to."""
    deadline = time.monotonic() + settings.DRAIN_SECONDS
    count = 0
    while time.monotonic() < deadline:
        orders = expiry.orders_to_expire(at=clock(), most=BATCH)
        expired = sum(_expire(order_id, clock=clock) for order_id in orders)
        count += expired
        if len(orders) < BATCH or not expired:
            break
    count += inbox.tell_of_parked(at=clock(), most=BATCH)
    count += _tell_of_dead_deliveries(at=clock())
    count += _tell_of_the_away(at=clock())
    count += idempotency.forget(at=clock())
    count += approvals.expire_undecided(at=clock(), most=BATCH)
    count += actions.resume(clock=clock, most=BATCH)
    count += _seal_audit_log(at=clock())
    count += _verify_ledger(at=clock())
    count += watch.once_a_minute(clock())
    # A verb begun at the last moment must end within the task.
    last_page = deadline - PAGE_SECONDS
    count += payout_watch.mirror_due(clock=clock, goes_on=lambda: time.monotonic() < last_page)
    count += schedule.work(clock=clock, deadline=last_page)
    return count


def _expire(order_id: int, *, clock: Clock) -> bool:
    try:
        return expiry.expire_order(order_id, clock=clock, actor="worker:keep")
    except Exception:  # one order must not stop the others
        log.exception("expiry_failed", order_id=order_id)
        return False


def _seal_audit_log(*, at: datetime) -> int:
    try:
        return int(sealing.is_due(at) and sealing.seal_day(now=at) is not None)
    except Exception:  # housekeeping goes on; `verify_audit` and `status` tell that the log is not sealed
        log.exception("audit_not_sealed")
        return 0


def _verify_ledger(*, at: datetime) -> int:
    try:
        return ledger_watch.go_on(at)
    except Exception:  # housekeeping goes on; `status` and doctor tell that no run has ended
        log.exception("ledger_not_verified")
        return 0


def looks_due(now: datetime) -> bool:
    """Say whether the cluster `look` has something to do at `now`."""
    return (
        ProviderEvent.objects.filter(inbox.due(now)).exists()
        or ProviderEvent.objects.filter(unverified.due(now)).exists()
        or PaymentAttempt.objects.filter(sweeping.due(now)).exists()
        or ProviderCall.objects.filter(calls.due(now)).exists()
    )


def keeping_due(now: datetime) -> bool:
    """Say whether the cluster `keep` has something to do at `now`."""
    return (
        bool(expiry.orders_to_expire(at=now, most=1))
        or inbox.has_untold_parked(at=now)
        or dead_letters.dead_without_case().exists()
        or breaker.away_without_case(now=now).exists()
        or idempotency.any_to_forget(at=now)
        or sealing.is_due(now)
        or approvals.has_expired(at=now)
        or actions.any_unfinished(at=now)
        or watch.is_due(now)
        or ledger_watch.is_due(now)
        or payout_watch.is_due(now)
        or schedule.is_due(now)
    )


def work_event(held: inbox.Claim, *, clock: Clock) -> None:
    """Match one event and look at what it speaks of."""
    failpoint("event.claimed")
    event = ProviderEvent.objects.filter(pk=held.event_id, fence=held.fence).first()
    if event is None:
        return
    with correlation.bind(event.correlation_id):
        if event.tries > inbox.EVENT_MAX_TRIES:  # its worker died each time
            inbox.fail(held, at=clock(), why=event.error or "Every worker that took it up died.")
            return
        attempt = inbox.match(event)
        if _is_foreign(event, attempt, held, at=clock()):
            return
        if attempt is None:
            inbox.park(held, at=clock())
            if inbox.match(event) is not None:  # its ids were stored between our look and our parking
                inbox.requeue([event.pk], at=clock())
            return
        inbox.attach(event, attempt)
        result = look(attempt.pk, clock=clock, actor="worker:inbox", ids=event.ids)
        if result.outcome is Outcome.SETTLED:
            inbox.done(held, at=clock())
        elif result.outcome is Outcome.NOTHING_TO_ASK:
            inbox.fail(held, at=clock(), why="The provider has not answered our call yet; nothing to look at.")
        elif result.outcome is Outcome.NOTHING_THERE:
            inbox.fail(held, at=clock(), why="The provider told of a payment, and knows nothing of it when asked.")
        else:
            away = result.error is not None and not result.error.permanent
            inbox.fail(held, at=clock(), why=str(result.error or "The look was overtaken; tried again."), away=away)


def work_attempt(attempt_id: int, *, clock: Clock) -> None:
    """Look at an attempt that is due; close what nobody should pay any more; expire its order."""
    failpoint("attempt.claimed")
    attempt = PaymentAttempt.objects.select_related("order").get(pk=attempt_id)
    with correlation.bind(""):
        if expiry.is_over(attempt.order, at=clock()) or not attempt.is_live:
            expiry.retire(attempt_id, clock=clock, actor="worker:expiry")
            expiry.expire_order(attempt.order_id, clock=clock, actor="worker:expiry")
        elif look(attempt_id, clock=clock, actor="worker:sweeper").outcome is Outcome.NOTHING_TO_ASK:
            _look_later(attempt_id, at=clock())


def work_call(call_id: int, *, clock: Clock) -> None:
    """Send a call that nobody is sending. What it did about a dispute or a payment, a look tells."""
    with correlation.bind(""):
        call = calls.send(call_id, clock=clock)
        looked_at = evidence_calls.OPERATIONS | money_calls.OPERATIONS
        if call.operation in looked_at and call.state == CallState.ANSWERED:
            look(call.attempt_id, clock=clock, actor="worker:calls")


def _look_jobs(clock: Clock) -> list[Job]:
    """Return a job for each row that is due, kinds in turn so that none starves another.

    A job claims its row when it begins: a lease taken while it waits behind a slow provider could end before that.
    """
    now = clock()
    events = ProviderEvent.objects.filter(inbox.due(now)).values_list("pk", flat=True)[:BATCH]
    attempts = PaymentAttempt.objects.filter(sweeping.due(now)).values_list("pk", flat=True)[:BATCH]
    due = ProviderCall.objects.filter(calls.due(now)).order_by("next_try_at").values_list("pk", flat=True)[:BATCH]
    unproved = ProviderEvent.objects.filter(unverified.due(now)).values_list("pk", flat=True)[:PROOFS]
    kinds: list[list[Job]] = [
        [_next_event_job(clock) for _ in events],
        [_next_attempt_job(clock) for _ in attempts],
        [_call_job(pk, clock) for pk in due],
        [_next_proof_job(clock) for _ in unproved],
    ]
    return [job for jobs in zip_longest(*kinds) for job in jobs if job is not None]


def _next_event_job(clock: Clock) -> Job:
    def job() -> None:
        for held in inbox.claim(at=clock(), most=1):
            _event_job(held, clock)()

    return job


def _next_attempt_job(clock: Clock) -> Job:
    def job() -> None:
        for attempt_id in sweeping.claim(at=clock(), most=1):
            _attempt_job(attempt_id, clock)()

    return job


def _next_proof_job(clock: Clock) -> Job:
    def job() -> None:
        for held in unverified.claim(at=clock(), most=1):
            try:
                unverified.prove(held, clock=clock)
            except Exception as error:
                log.exception("proof_failed", inbox_row=held.event_id)
                unverified.put_off(held, at=clock(), why=_defect(error))

    return job


def _event_job(held: inbox.Claim, clock: Clock) -> Job:
    def job() -> None:
        try:
            work_event(held, clock=clock)
        except Exception as error:  # a poison event must not stop the others
            log.exception("event_failed", inbox_row=held.event_id)
            inbox.fail(held, at=clock(), why=_defect(error))

    return job


def _attempt_job(attempt_id: int, clock: Clock) -> Job:
    def job() -> None:
        try:
            work_attempt(attempt_id, clock=clock)
        except Exception as error:
            log.exception("sweep_failed", attempt=attempt_id)
            sweeping.put_off(attempt_id, at=clock(), why=_defect(error))

    return job


def _call_job(call_id: int, clock: Clock) -> Job:
    def job() -> None:
        try:
            work_call(call_id, clock=clock)
        except Exception:
            log.exception("call_crashed", call=call_id)
            calls.put_off(call_id, at=clock())

    return job


def _defect(error: Exception) -> str:
    """Return what staff read of an error nobody foresaw: its first line, scrubbed. PostgreSQL's next ones show rows."""
    return redaction.scrub_text(f"{type(error).__name__}: {error}".partition("\n")[0])


def _drain(find: Callable[[Clock], list[Job]], *, clock: Clock, seconds: int) -> int:
    deadline = time.monotonic() + seconds
    count = 0
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="drain") as pool:
        while time.monotonic() < deadline:
            jobs = deque(find(clock))
            if not jobs:
                break
            threads = [pool.submit(_work_through, jobs, deadline) for _ in range(min(THREADS, len(jobs)))]
            count += sum(thread.result() for thread in threads)
    return count


def _work_through(jobs: deque[Job], deadline: float) -> int:
    """Take jobs in this thread until none is left or time is up; return how many. Leaves no connection open."""
    count = 0
    try:
        while time.monotonic() < deadline:
            try:
                job = jobs.popleft()
            except IndexError:
                break
            count += 1
            try:
                job()
            except Exception:  # its row could not even be noted: the lease runs out, others go on
                log.exception("job_failed")
    finally:
        connection.close()
    return count


def _tell_of_dead_deliveries(*, at: datetime) -> int:
    """Open one case a receiver that no longer takes what it is told; return how many letters it speaks of."""
    seen = 0
    for letter in dead_letters.dead_without_case().select_related("destination", "event")[:BATCH]:
        with transaction.atomic(durable=True):
            open_case(
                CaseKind.DEAD_DELIVERY,
                subject_kind="destination",  # not the letter: a dead receiver is one case, however much it missed
                subject_id=letter.destination_id,
                ours=f"{letter.event.fact} is true and was tried {letter.tries} times.",
                theirs=f"{letter.destination.name}: {letter.last_detail or letter.dead_reason}"[:500],
                suggested_fix=(
                    "Mend the receiver, then replay its dead letters; they keep their keys."
                    if letter.destination.active
                    else "It has disabled itself. Ask its owner; then enable it and replay, or unsubscribe it for good."
                ),
                at=at,
            )
            Delivery.objects.filter(pk=letter.pk).update(case_opened_at=at)
        seen += 1
    return seen


def _tell_of_the_away(*, at: datetime) -> int:
    """Open a case for each provider and receiver that has long been away; return how many."""
    seen = 0
    for row in breaker.away_without_case(now=at).select_related("destination")[:BATCH]:
        with transaction.atomic(durable=True):
            open_case(
                CaseKind.AWAY,
                subject_kind="breaker",
                subject_id=row.pk,
                ours=f"{row.name} is tried again every few minutes at most; what is meant for it waits.",
                theirs=f"{row.name}: {row.last_detail or row.last_failure}"[:500],
                suggested_fix="See whether it is away or we are misconfigured. Pause it where that is to go on.",
                at=at,
            )
            Breaker.objects.filter(pk=row.pk).update(case_opened_at=at)
        seen += 1
    return seen


def _look_later(attempt_id: int, *, at: datetime) -> None:
    """The provider has not answered the opening call: calls are retried by themselves, see again in a minute."""
    PaymentAttempt.objects.filter(pk=attempt_id, state=AttemptState.CREATED).update(
        next_look_at=at + timedelta(seconds=60), sweep_lease_until=None
    )


def _is_foreign(event: ProviderEvent, attempt: PaymentAttempt | None, held: inbox.Claim, *, at: datetime) -> bool:
    """End an event of another mode or account with a case; it never makes us look."""
    provider = providers.get(event.provider)
    if event.mode != provider.mode:
        kind, ours, theirs = CaseKind.WRONG_MODE, f"We run in {provider.mode} mode.", f"The event is {event.mode}."
        fix = "Remove this endpoint from the provider's other mode, and rotate its signing secret."
    elif event.account and event.account != _own_account(event, attempt):
        kind, ours, theirs = CaseKind.WRONG_ACCOUNT, "It is not our account.", f"The event is of {event.account[:80]}."
        fix = "Limit the endpoint to the account's own events, or find out who connected it."
    else:
        return False
    with transaction.atomic(durable=True):
        order = lock(attempt.pk)[0] if attempt else None
        open_case(
            kind,
            subject_kind="event",
            subject_id=event.pk,
            order=order,
            ours=ours,
            theirs=theirs,
            suggested_fix=fix,
            at=at,
        )
    inbox.ignore(held, at=at, why=theirs)
    return True


def _own_account(event: ProviderEvent, attempt: PaymentAttempt | None) -> str:
    if attempt is not None and attempt.account:
        return attempt.account
    return providers.get(event.provider).account()
