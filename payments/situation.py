"""All that is known of one order at one moment, as plain data: what payments/why.py and payments/replies.py speak of.

Reads only, by index; never asks the provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from integrations import providers
from integrations.models import Breaker, BreakerState, Delivery, DeliveryState, DestinationKind
from orders import facts
from orders.models import Order, Transition
from orders.money import Money
from orders.states import OrderState
from payments import signatures
from payments.extra_money import held_beyond
from payments.models import Case, PaymentAttempt, ProviderCall, ProviderEvent
from payments.models.call import Operation
from payments.models.capture import Disposition
from payments.models.case import CaseKind
from payments.refunds.undecided import UndecidedRefund, undecided_refund
from payments.states import LIVE_STATES, UNDECIDED_DISPUTES, CallState, DisputeState, EventState

PROVIDER_LABELS = {"stripe": "Stripe", "paypal": "PayPal", "square": "Square", "nmi": "NMI"}
MOST_COUNTED = 1000
_WAITING_NOTICES = (EventState.RECEIVED, EventState.FAILED, EventState.DEAD, EventState.PARKED)
_UNFINISHED_CALLS = (CallState.PREPARED, CallState.SENT, CallState.UNKNOWN)


def provider_label(provider: str) -> str:
    """Return a provider's name as staff read it."""
    return PROVIDER_LABELS.get(provider, provider.title())


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The attempt that matters: the one that paid, else the live one, else the last.

    `said`: what the provider last said of it (PaymentStatus), at `looked_at`. `look_error`: `category: message` of the
    last look, if it got no answer.
    """

    state: str
    provider: str
    created_at: datetime
    url_given_at: datetime | None = None
    page_open: bool = False
    looked_at: datetime | None = None
    said: str = ""
    look_failures: int = 0
    look_error: str = ""
    next_look_at: datetime | None = None
    decline_reason: str = ""
    decline_code: str = ""
    in_review: bool = False

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def label(self) -> str:
        return provider_label(self.provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A person lets no new payment begin at the provider that would take this order's, or at any there is."""

    label: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """An open case of this order."""

    number: int
    kind: str
    label: str
    theirs: str
    suggested_fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The oldest of the provider's notices of this attempt that no look has used yet."""

    state: str
    received_at: datetime
    next_try_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of ours without a stored answer."""

    operation: str
    created_at: datetime
    tries: int = 0
    next_try_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A receiver that has not confirmed a fact of this order."""

    receiver: str
    fact: str
    dead: bool
    tries: int
    next_try_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """The dispute that matters: the undecided one whose deadline is nearest, else the last that was lost."""

    dispute_id: str
    state: str
    amount: Money
    reason: str
    opened_at: datetime
    respond_by: datetime | None = None
    submitted_at: datetime | None = None
    closed_at: datetime | None = None
    case: int | None = None

    @property
    def awaits_answer(self) -> bool:
        return self.submitted_at is None and self.state in (DisputeState.INQUIRY, DisputeState.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One order at the moment `now`.

    `orders_waiting`: how many live attempts wait at a provider whose signatures fail (capped). `extra`: money beyond
    what the order owes, with its first time. `receipt_at`: when the receipt was mailed.
    """

    now: datetime
    number: int
    state: str
    total: Money
    locale: str
    placed_at: datetime
    expires_at: datetime
    status_url: str
    pay_url: str
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    attempt: Attempt | None = None
    paused: Paused | None = None
    signatures_fail_since: datetime | None = None
    orders_waiting: int = 0
    cases: tuple[OpenCase, ...] = ()
    extra: tuple[Money, ...] = ()
    extra_at: datetime | None = None
    call: Call | None = None
    notice: Notice | None = None
    untold: tuple[Untold, ...] = ()
    receipt_at: datetime | None = None
    dispute: Disputed | None = None
    refund: UndecidedRefund | None = None

    def case_of(self, *kinds: str) -> OpenCase | None:
        """Return the oldest open case of one of these kinds."""
        return next((case for case in self.cases if case.kind in kinds), None)


def situation_of(order: Order, *, at: datetime) -> Situation:
    """Return what is known of `order` at the moment `at`."""
    attempt = _attempt_that_matters(order)
    placed = order.state == OrderState.PLACED
    trouble = signatures.trouble_since(attempt.provider, at=at) if attempt and attempt.is_live and placed else None
    extra = held_beyond(order)
    return Situation(
        now=at,
        number=order.number,
        state=order.state,
        total=order.total,
        locale=order.locale,
        placed_at=order.placed_at,
        expires_at=order.expires_at,
        status_url=facts.status_url(order),
        pay_url=facts.pay_url(order),
        paid_at=order.paid_at,
        closed_at=_closed_at(order),
        attempt=_facts_of(attempt) if attempt else None,
        paused=_paused(attempt) if placed else None,
        signatures_fail_since=trouble,
        orders_waiting=_waiting_at(attempt.provider) if attempt and trouble else 0,
        cases=tuple(_open_case(case) for case in order.cases.filter(closed_at=None).order_by("pk")[:MOST_COUNTED]),
        extra=tuple(amount for _, amount in extra),
        extra_at=extra[0][0].captured_at if extra else None,
        call=_unfinished_call(attempt) if attempt else None,
        notice=_waiting_notice(attempt) if attempt else None,
        untold=_untold(order),
        receipt_at=_receipt_at(order),
        dispute=_dispute_that_matters(order),
        refund=undecided_refund(order, label_of=PROVIDER_LABELS),
    )


def _attempt_that_matters(order: Order) -> PaymentAttempt | None:
    paid_by = order.captures.filter(disposition=Disposition.APPLIED).select_related("attempt").first()
    if paid_by is not None:
        return paid_by.attempt
    attempts = order.attempts.order_by("-pk")
    return attempts.filter(state__in=LIVE_STATES).first() or attempts.first()


def _facts_of(attempt: PaymentAttempt) -> Attempt:
    said = attempt.looks.order_by("-number").values_list("status", flat=True).first()
    return Attempt(
        state=attempt.state,
        provider=attempt.provider,
        created_at=attempt.created_at,
        url_given_at=attempt.url_given_at,
        page_open=attempt.page_open,
        looked_at=attempt.looked_at,
        said=said or "",
        look_failures=attempt.look_failures,
        look_error=attempt.look_error,
        next_look_at=attempt.next_look_at,
        decline_reason=attempt.decline_reason,
        decline_code=attempt.decline_code,
        in_review=attempt.in_review,
    )


def _closed_at(order: Order) -> datetime | None:
    """Return when the order came into the state it is in, where that is an end."""
    if order.state in (OrderState.PLACED, OrderState.PAID):
        return None
    return (
        Transition.objects.filter(subject_kind=Order.SUBJECT_KIND, subject_id=order.pk, to_state=order.state)
        .order_by("-sequence")
        .values_list("at", flat=True)
        .first()
    )


def _paused(attempt: PaymentAttempt | None) -> Paused | None:
    """Return the pause that keeps a payment from beginning: of the live attempt's provider, else of every one."""
    live = attempt is not None and attempt.is_live
    names = (attempt.provider,) if attempt is not None and live else providers.enabled()
    pauses = list(Breaker.objects.filter(provider__in=names, state=BreakerState.PAUSED).order_by("since"))
    if not names or len(pauses) < len(names):
        return None
    label = " and ".join(provider_label(each.provider) for each in pauses)
    return Paused(label=label, since=pauses[-1].since, reason=pauses[-1].reason)


def _waiting_at(provider: str) -> int:
    return PaymentAttempt.objects.filter(provider=provider, state__in=LIVE_STATES).order_by()[:MOST_COUNTED].count()


def _open_case(case: Case) -> OpenCase:
    return OpenCase(
        number=case.pk,
        kind=case.kind,
        label=case.get_kind_display(),
        theirs=case.theirs,
        suggested_fix=case.suggested_fix,
    )


def _unfinished_call(attempt: PaymentAttempt) -> Call | None:
    call: ProviderCall | None = (
        attempt.calls.filter(state__in=_UNFINISHED_CALLS)
        .exclude(operation__in=[Operation.CLOSE, Operation.REFUND])
        .order_by("pk")
        .first()
    )
    if call is None:
        return None
    return Call(
        operation=call.operation,
        created_at=call.created_at,
        tries=call.tries,
        next_try_at=call.next_try_at or call.lease_until,
        error=call.error,
    )


def _waiting_notice(attempt: PaymentAttempt) -> Notice | None:
    mine = ProviderEvent.objects.filter(state__in=_WAITING_NOTICES).order_by("pk")
    notice = mine.filter(attempt=attempt).first() or mine.filter(attempt=None, reference=attempt.reference).first()
    if notice is None:
        return None
    return Notice(
        state=notice.state, received_at=notice.received_at, next_try_at=notice.next_try_at, error=notice.error
    )


def _untold(order: Order) -> tuple[Untold, ...]:
    rows = (
        Delivery.objects.filter(event__subject_kind=Order.SUBJECT_KIND, event__subject_id=order.pk)
        .exclude(state=DeliveryState.DELIVERED)
        .select_related("event", "destination")
        .order_by("pk")[:MOST_COUNTED]
    )
    return tuple(
        Untold(
            receiver=row.destination.name,
            fact=row.event.fact,
            dead=row.state == DeliveryState.DEAD,
            tries=row.tries,
            next_try_at=None if row.state == DeliveryState.DEAD else row.not_before,
            error=row.last_detail,
        )
        for row in rows
    )


def _dispute_that_matters(order: Order) -> Disputed | None:
    undecided = order.disputes.filter(state__in=UNDECIDED_DISPUTES).order_by(F("respond_by").asc(nulls_last=True), "pk")
    found = undecided.first() or order.disputes.filter(state=DisputeState.LOST).order_by("-closed_at").first()
    if found is None:
        return None
    case = order.cases.filter(
        kind=CaseKind.PROVIDER_DISPUTE, subject_kind=found.SUBJECT_KIND, subject_id=found.pk, closed_at=None
    )
    return Disputed(
        dispute_id=found.dispute_id,
        state=found.state,
        amount=found.amount,
        reason=found.reason,
        opened_at=found.opened_at,
        respond_by=found.respond_by,
        submitted_at=found.evidence_submitted_at,
        closed_at=found.closed_at,
        case=case.values_list("pk", flat=True).first(),
    )


def _receipt_at(order: Order) -> datetime | None:
    mails = Delivery.objects.filter(
        event__subject_kind=Order.SUBJECT_KIND,
        event__subject_id=order.pk,
        event__fact="order.paid",
        destination__kind=DestinationKind.MAIL,
        state=DeliveryState.DELIVERED,
    )
    return mails.order_by("pk").values_list("delivered_at", flat=True).first()
