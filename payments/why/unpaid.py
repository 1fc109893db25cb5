"""Rules: the order waits for its money."""

from __future__ import annotations

from datetime import datetime, timedelta

from payments.models.call import Operation
from payments.situation import Attempt, Call, Situation
from payments.states import AttemptState, EventState
from payments.why.answer import Why, decline, ended, is_placed, lag, moment, tries, when

BANK_BUSINESS_DAYS = 14
"""How long a bank debit may take (Stripe, "SEPA Direct Debit payments": up to 14 business days, 7 to 8 on average)."""

_CANNOT_BE_PAID_YET = (
    AttemptState.CREATED,
    AttemptState.PENDING,
    AttemptState.REQUIRES_ACTION,
    AttemptState.FAILED,
    AttemptState.CANCELLED,
)


def time_ran_out(it: Situation) -> Why | None:
    """Nobody should pay it any more; the page is being closed. Not while a bank is processing."""
    attempt = it.attempt
    if not is_placed(it) or it.now < it.expires_at or _may_be_paid_already(it):
        return None
    began = f"The time to pay ran out{when(it.expires_at, it)}"
    if attempt is None or not attempt.is_live:
        return Why("time_ran_out", "wait", f"{began}; nothing is under way that could pay it.", "The order is expired")
    return Why(
        "time_ran_out",
        "wait",
        f"{began}; before the order expires we make sure that nothing was paid.",
        "We look, close the page, and look again",
        attempt.next_look_at,
    )


def provider_paused(it: Situation) -> Why | None:
    """A person has paused the provider before this payment had begun; pages that stand open go on."""
    attempt, paused = it.attempt, it.paused
    begun = attempt is not None and attempt.is_live and attempt.state != AttemptState.CREATED
    if not is_placed(it) or paused is None or begun:
        return None
    return Why(
        "provider_paused",
        "act",
        f"{paused.label} is paused since {moment(paused.since, now=it.now)}: {ended(paused.reason)} "
        "No new payment begins there.",
        "Nothing happens by itself. Whoever may pause providers can resume it",
    )


def page_open(it: Situation) -> Why | None:
    """The provider's page stands open, as of the last look."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or attempt.state != AttemptState.PENDING or not attempt.page_open:
        return None
    if _has_news(it, attempt):
        return None
    if attempt.looked_at is None:
        asked = f"opened{when(attempt.created_at, it)}, not asked about since"
    else:
        asked = f"asked{when(attempt.looked_at, it)}"
    declined = f" Last decline: {decline(attempt)}." if attempt.decline_reason else ""
    return Why(
        "page_open",
        "wait",
        f"The pay page at {attempt.label} is open, not paid yet ({asked}).{declined}",
        f"The shopper may pay until {moment(it.expires_at, now=it.now)}. We ask again",
        attempt.next_look_at,
    )


def capture_on_its_way(it: Situation) -> Why | None:
    """Taking the money is ours: it is reserved or approved, or was given by the card form on our page."""
    attempt, call = it.attempt, it.call
    sending = call is not None and call.operation in (Operation.CAPTURE, Operation.PAY)
    authorized = attempt is not None and attempt.state == AttemptState.AUTHORIZED and not attempt.in_review
    if not is_placed(it) or attempt is None or not (sending or authorized):
        return None
    error = f" Last error: {ended(call.error)}" if call and call.error else ""
    again = call is None or call.next_try_at is not None
    return Why(
        "capture_on_its_way",
        "wait",
        f"{_ours_to_take(attempt, call, authorized=authorized)} is on its way.{error}",
        "It is sent, under one key however often, and we look"
        if again
        else "It is not sent again, since that could take the money twice; we look for what became of it",
        call.next_try_at if call and call.next_try_at else attempt.next_look_at,
    )


def _ours_to_take(attempt: Attempt, call: Call | None, *, authorized: bool) -> str:
    if call is not None and call.operation == Operation.PAY:
        return f"The shopper gave a card in {attempt.label}'s form, and our request to take the money"
    if authorized:
        return f"The money is reserved at {attempt.label}, and our capture"
    return f"The shopper has approved the payment at {attempt.label}, and our capture"


def notice_queued(it: Situation) -> Why | None:
    """A notice of the provider is in the inbox, and no look has used it yet."""
    notice = it.notice
    if not is_placed(it) or notice is None or notice.state not in (EventState.RECEIVED, EventState.PARKED):
        return None
    parked = " It matches nothing here yet." if notice.state == EventState.PARKED else ""
    waited = lag(it.now - notice.received_at)
    return Why(
        "notice_queued",
        "wait",
        f"The provider's notice of {moment(notice.received_at, now=it.now)} waits in our inbox ({waited}).{parked}",
        "A worker takes it up, and we ask the provider",
        notice.next_try_at,
    )


def notice_failed(it: Situation) -> Why | None:
    """A notice of the provider could not be used."""
    notice = it.notice
    if not is_placed(it) or notice is None:
        return None
    what = f"The provider's notice of {moment(notice.received_at, now=it.now)} could not be used"
    why = f"({lag(it.now - notice.received_at)}): {ended(notice.error or 'no reason is known')}"
    if notice.state != EventState.DEAD:
        return Why("notice_failed", "bad", f"{what} {why}", "It is tried again", notice.next_try_at)
    return Why(
        "notice_failed",
        "bad",
        f"{what} and was given up {why}",
        "A person must replay it. We ask by ourselves, next",
        it.attempt.next_look_at if it.attempt else None,
    )


def three_d_secure(it: Situation) -> Why | None:
    """The shopper's bank wants one more step."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or attempt.state != AttemptState.REQUIRES_ACTION:
        return None
    return Why(
        "three_d_secure",
        "wait",
        "3-D Secure is unfinished: the bank wants one more step from the shopper.",
        "The shopper can finish it from the order's page. We ask again",
        attempt.next_look_at,
    )


def bank_processing(it: Situation) -> Why | None:
    """The page is done, and the bank has not decided."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or not _is_processing(attempt) or attempt.in_review:
        return None
    by = expected_by(attempt)
    return Why(
        "bank_processing",
        "wait",
        f"The bank is processing the payment, begun{when(_began(attempt), it)}; expected by {by.day} {by:%B %Y}.",
        "We ask again",
        attempt.next_look_at,
    )


def in_review(it: Situation) -> Why | None:
    """Somebody at the provider looks at the payment first."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or not attempt.is_live or not attempt.in_review:
        return None
    return Why(
        "in_review",
        "wait",
        f"The payment is in review at {attempt.label}: nothing is captured until somebody there decides.",
        f"Decide it in {attempt.label}'s dashboard. We ask again",
        attempt.next_look_at,
    )


def opening(it: Situation) -> Why | None:
    """Our call that opens the page has no answer."""
    attempt, call = it.attempt, it.call
    if not is_placed(it) or attempt is None or attempt.state != AttemptState.CREATED:
        return None
    tried = f" ({tries(call.tries)}: {call.error.rstrip('.')})" if call and call.error else ""
    return Why(
        "opening",
        "wait",
        f"{attempt.label} has not answered our request of {moment(attempt.created_at, now=it.now)} "
        f"to open its pay page{tried}.",
        "It is sent again under the same key",
        call.next_try_at if call and call.next_try_at else attempt.next_look_at,
    )


def last_try_failed(it: Situation) -> Why | None:
    """The last attempt ended in a failure; the order may still be paid."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or attempt.state != AttemptState.FAILED:
        return None
    reason = f": {decline(attempt)}" if attempt.decline_reason else ""
    return Why(
        "last_try_failed",
        "wait",
        f"The last try at {attempt.label} failed{reason}. No other is under way.",
        "The shopper may try again; if nobody pays, the order expires",
        it.expires_at,
    )


def never_started(it: Situation) -> Why | None:
    """No payment is under way."""
    attempt = it.attempt
    if not is_placed(it) or (attempt is not None and attempt.state != AttemptState.CANCELLED):
        return None
    before = "Nobody has begun to pay" if attempt is None else "The last pay page was closed unpaid; no other is open"
    return Why(
        "never_started",
        "wait",
        f"{before}. The link expires{when(it.expires_at, it)}.",
        "If nobody pays, the order expires",
        it.expires_at,
    )


def unsettled(it: Situation) -> Why | None:
    """The attempt has its money and the order does not say so, with no case: that should not be."""
    if not is_placed(it):
        return None
    return Why(
        "unsettled",
        "act",
        f"The attempt is {it.attempt.state if it.attempt else 'missing'}, and the order is not paid by it.",
        "Nothing happens by itself. Compare the payment at the provider, and tell the developers",
    )


def expected_by(attempt: Attempt) -> datetime:
    """Return by when a bank that is processing has decided."""
    return after_business_days(_began(attempt), BANK_BUSINESS_DAYS)


def after_business_days(start: datetime, days: int) -> datetime:
    """Return the moment `days` Mondays-to-Fridays after `start`; holidays are not known here."""
    at = start
    while days:
        at += timedelta(days=1)
        days -= at.weekday() < 5
    return at


def _began(attempt: Attempt) -> datetime:
    return attempt.url_given_at or attempt.created_at


def _is_processing(attempt: Attempt) -> bool:
    return attempt.state == AttemptState.PENDING and not attempt.page_open


def _has_news(it: Situation, attempt: Attempt) -> bool:
    """Whether a notice waits that no look has used: a look uses all that it finds, but for what was given up."""
    notice = it.notice
    if notice is None:
        return False
    waits = notice.state in (EventState.RECEIVED, EventState.FAILED)
    return waits or attempt.looked_at is None or notice.received_at > attempt.looked_at


def _may_be_paid_already(it: Situation) -> bool:
    attempt = it.attempt
    if attempt is None:
        return False
    return it.notice is not None or _is_processing(attempt) or attempt.state not in _CANNOT_BE_PAID_YET
