"""Corrections: the closed list of named fixes of an order. Never "set status": each says what it mends and how.

All are requested by one person and approved by another (payments/roles.py). Money beyond the ceiling of its currency
(CORRECTION_CEILINGS) is corrected by nobody here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django import forms
from django.conf import settings

from integrations.contract import Mode
from integrations.facts import Fact
from orders import operations
from orders.models import Order
from orders.money import Money
from orders.states import OrderState
from orders.transitions import move
from payments import expiry
from payments.calls import preparing
from payments.calls import sending as calls
from payments.cases.opening import close_cases
from payments.clock import Clock
from payments.ledger import chart
from payments.ledger import posting as ledger
from payments.models import Capture, Case, PaymentAttempt, ProviderCall, Refund, StaffAction
from payments.models.call import Operation
from payments.models.capture import Disposition
from payments.models.case import CaseKind
from payments.roles import Area
from payments.settlement import Outcome, look
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register
from payments.states import HELD_REFUNDS, LIVE_STATES, UNDECIDED_DISPUTES, AttemptState, CallState, DisputeState

OFFLINE = "offline"
"""The provider of money that came past every provider: bank transfer, cash, cheque."""


class OrderCorrection(StaffOperation):
    """A fix of one order, under its lock and those of its attempts."""

    subject_kind = "order"
    area = Area.CORRECTION

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        order = Order.objects.select_for_update(no_key=True).get(pk=subject_id)
        list(PaymentAttempt.objects.select_for_update(no_key=True).filter(order=order).order_by("pk"))


@register
class CancelUnpaidOrder(OrderCorrection):
    """Closes the pay page at the provider, then cancels the order. Not while the provider says processing."""

    name = "cancel_unpaid_order"
    label = "Cancel unpaid order"
    reasons: ClassVar[dict[str, str]] = {
        "customer_asked": "The customer asked for it",
        "cannot_deliver": "We cannot deliver",
        "suspected_fraud": "Suspected fraud",
        "placed_twice": "Placed twice by mistake",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        order = _order(subject_id)
        if order.state != OrderState.PLACED:
            raise NotPossible(f"Only an order that waits for its payment can be cancelled; this one is {_word(order)}.")
        return Preview(
            summary=f"Order {order.number} over {order.total} is cancelled; nobody can pay it any more.",
            changes=(
                Change(what="pay page", before="open, if one was opened", after="closed at the provider first"),
                Change(what="order", before=OrderState.PLACED, after=OrderState.CANCELLED),
            ),
            stake=order.total,
            tells=(Fact.ORDER_CANCELLED,),
            order_id=order.pk,
        )

    def before(self, action: StaffAction, *, clock: Clock) -> None:
        _end_live_attempts(action.subject_id, clock=clock, actor=action.actor)

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        order = _order(action.subject_id)
        _refuse_live_attempts(order)
        operations.cancel(order, at=at, cause=action.cause, actor=action.actor)
        return {"order": order.state}


@register
class ReopenWithLateMoney(OrderCorrection):
    """Takes an ended order up again and pays it with the money that came too late."""

    name = "reopen_with_late_money"
    label = "Reopen and apply the late money"
    reasons: ClassVar[dict[str, str]] = {
        "customer_wants_order": "The customer still wants the order",
        "provider_was_late": "The provider told us late; the customer paid in time",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        order = _order(subject_id)
        if order.state not in (OrderState.EXPIRED, OrderState.CANCELLED):
            raise NotPossible(f"Only an expired or cancelled order is reopened; this one is {_word(order)}.")
        capture = _late_capture(order)
        check_ceiling(capture.amount)
        return Preview(
            summary=f"Order {order.number} is taken up again and paid by capture {capture.capture_id}.",
            changes=(
                Change(what="order", before=order.state, after=f"{OrderState.PLACED}, then {OrderState.PAID}"),
                Change(what=f"capture {capture.capture_id}", before=capture.disposition, after=Disposition.APPLIED),
                Change(what="ledger", before=f"{capture.amount} in {chart.UNAPPLIED}", after=f"in {chart.SALES}"),
            ),
            stake=capture.amount,
            tells=(Fact.ORDER_REOPENED, Fact.ORDER_PAID),
            order_id=order.pk,
            basis={"capture": capture.pk},
        )

    def before(self, action: StaffAction, *, clock: Clock) -> None:
        """Look once more: the money may have gone back at the provider since."""
        attempt_id = _late_capture(_order(action.subject_id)).attempt_id
        seen = look(attempt_id, clock=clock, actor=action.actor)
        if seen.outcome is not Outcome.SETTLED:
            raise NotPossible(f"{seen.attempt.provider} cannot be asked now whether it still holds the money.")

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        order = _order(action.subject_id)
        capture = _late_capture(order)
        operations.reopen(order, at=at, cause=action.cause, actor=action.actor)
        capture.disposition = Disposition.APPLIED
        capture.save(update_fields=["disposition"])
        ledger.post_application(capture, at=at)
        operations.mark_paid(order, at=at, cause=action.cause, actor=action.actor)
        closed = close_cases({CaseKind.LATE_MONEY}, order=order, at=at, user=action.requested_by)
        return {"order": order.state, "capture": capture.capture_id, "cases_closed": closed}


@register
class ReleaseAuthorization(OrderCorrection):
    """Gives reserved, uncaptured money back to the shopper. The look that follows ends the attempt."""

    name = "release_authorization"
    label = "Release the authorization"
    reasons: ClassVar[dict[str, str]] = {
        "customer_asked": "The customer asked for it",
        "cannot_deliver": "We cannot deliver",
        "suspected_fraud": "Suspected fraud",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        order = _order(subject_id)
        attempt = _authorized(order)
        return Preview(
            summary=f"{attempt.provider} gives the reserved {attempt.amount} of order {order.number} back.",
            changes=(Change(what="attempt", before=AttemptState.AUTHORIZED, after=AttemptState.CANCELLED),),
            stake=attempt.amount,
            order_id=order.pk,
            basis={"attempt": attempt.pk},
            warnings=("The order itself stays open until it expires, is paid or is cancelled.",),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        attempt = _authorized(_order(action.subject_id))
        unfinished = [CallState.PREPARED, CallState.SENT, CallState.UNKNOWN]
        call = attempt.calls.filter(operation=Operation.RELEASE, state__in=unfinished).first()
        if call is None:
            request = {"page_id": attempt.page_id, "intent_id": attempt.intent_id}
            call = preparing.prepare(attempt, Operation.RELEASE, request, at=at)
        return {"call": call.pk, "attempt": attempt.pk}

    def after(self, action: StaffAction, *, clock: Clock) -> None:
        call: ProviderCall = calls.send(action.result["call"], clock=clock)
        look(call.attempt_id, clock=clock, actor=action.actor)


class OfflinePaymentForm(forms.Form):
    """How the money came, and what proves it."""

    method = forms.ChoiceField(
        choices=[("bank_transfer", "Bank transfer"), ("cash", "Cash"), ("cheque", "Cheque"), ("other", "Other")]
    )
    amount = forms.CharField(max_length=20, help_text="As on the evidence, e.g. 49.90. It must be the order's total.")
    received_on = forms.DateField(widget=forms.DateInput({"type": "date"}), label="Received on")
    evidence = forms.CharField(
        min_length=5,
        max_length=200,
        help_text="Where it can be looked up: bank statement and line, receipt number. No account or card numbers.",
    )

    def clean_received_on(self) -> str:
        received: date = self.cleaned_data["received_on"]
        return received.isoformat()


@register
class AcceptOfflinePayment(OrderCorrection):
    """Money that came past every provider pays the order: an attempt at `offline` with its evidence."""

    name = "accept_offline_payment"
    label = "Accept an offline payment"
    form_class = OfflinePaymentForm
    reasons: ClassVar[dict[str, str]] = {
        "bank_transfer": "The customer paid by bank transfer",
        "at_the_counter": "The customer paid at the counter",
        "provider_down": "The providers were down",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        order = _order(subject_id)
        if order.state not in (OrderState.PLACED, OrderState.EXPIRED, OrderState.CANCELLED):
            raise NotPossible(f"The order owes nothing: it is {_word(order)}.")
        check_ceiling(order.total)

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        self.check(subject_id, at=at)
        order = _order(subject_id)
        _require_exactly(order.total, str(parameters["amount"]))
        received = date.fromisoformat(str(parameters["received_on"]))
        if received > at.date():
            raise NotPossible("The money cannot have been received in the future.")
        reopens = order.state != OrderState.PLACED
        return Preview(
            summary=f"Order {order.number} is paid by {order.total} received on {received}: {parameters['evidence']}.",
            changes=(
                Change(what="pay page", before="open, if one was opened", after="closed at the provider first"),
                Change(
                    what="order",
                    before=order.state,
                    after=f"{OrderState.PLACED}, then {OrderState.PAID}" if reopens else OrderState.PAID,
                ),
                Change(what="ledger", before="–", after=f"{order.total} from {chart.clearing(OFFLINE)} to sales"),
            ),
            stake=order.total,
            tells=(Fact.ORDER_REOPENED, Fact.ORDER_PAID) if reopens else (Fact.ORDER_PAID,),
            order_id=order.pk,
        )

    def before(self, action: StaffAction, *, clock: Clock) -> None:
        _end_live_attempts(action.subject_id, clock=clock, actor=action.actor)

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        order = _order(action.subject_id)
        _refuse_live_attempts(order)
        actor = action.actor
        if order.state != OrderState.PLACED:
            operations.reopen(order, at=at, cause=action.cause, actor=actor)
        capture = _take_offline(order, action, actor=actor, at=at)
        operations.mark_paid(order, at=at, cause=action.cause, actor=actor)
        return {"order": order.state, "capture": capture.capture_id}


def _take_offline(order: Order, action: StaffAction, *, actor: str, at: datetime) -> Capture:
    received = date.fromisoformat(action.parameters["received_on"])
    attempt = PaymentAttempt.objects.create(
        order=order,
        provider=OFFLINE,
        amount_minor=order.total_minor,
        currency=order.currency,
        created_at=at,
        mode=Mode.LIVE if settings.ENVIRONMENT == "production" else Mode.TEST,
        account=OFFLINE,
    )
    move(attempt, "paid", actor=actor, cause=action.cause, at=at)
    capture = Capture.objects.create(
        attempt=attempt,
        order=order,
        provider=OFFLINE,
        account=OFFLINE,
        capture_id=f"offline_{action.uid.hex}",
        amount_minor=order.total_minor,
        currency=order.currency,
        disposition=Disposition.APPLIED,
        captured_at=datetime.combine(received, time(), tzinfo=UTC),
        created_at=at,
        fee_minor=0,
    )
    ledger.post_capture(capture, at=at)
    return capture


_GOING_BACK = (CaseKind.PROVIDER_REFUND, CaseKind.PROVIDER_DISPUTE)
"""Money of which the provider told that it went back, or is claimed back, pays no order; see also _late_capture."""


def _order(order_id: int) -> Order:
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise NotPossible(f"There is no order {order_id}.")
    return order


def _word(order: Order) -> str:
    return str(order.state).replace("_", " ")


def _late_capture(order: Order) -> Capture:
    """Return the unapplied capture that pays the order exactly; the oldest, if several do."""
    held = Capture.objects.filter(order=order, disposition=Disposition.UNAPPLIED)
    held = held.exclude(pk__in=Refund.objects.filter(order=order, state__in=HELD_REFUNDS).values("capture_id"))
    went_back = Case.objects.filter(order=order, kind__in=_GOING_BACK, subject_kind="attempt")
    held = held.exclude(attempt_id__in=went_back.values("subject_id"))
    held = held.exclude(disputes__state__in=[*UNDECIDED_DISPUTES, DisputeState.LOST])
    exact = held.filter(amount_minor=order.total_minor, currency=order.currency).order_by("captured_at", "pk").first()
    if exact is None:
        raise NotPossible(
            "No late money of exactly the order's total is held for it."
            if not held.exists()
            else f"The late money is not {order.total}, which the order needs; refund it instead."
        )
    return exact


def _authorized(order: Order) -> PaymentAttempt:
    attempt = PaymentAttempt.objects.filter(order=order, state=AttemptState.AUTHORIZED).first()
    if attempt is None:
        raise NotPossible("No money is reserved for this order: there is no authorized attempt.")
    return attempt


def _end_live_attempts(order_id: int, *, clock: Clock, actor: str) -> None:
    """Look, close at the provider, look again; a live attempt that stays live is for `execute` to refuse."""
    for attempt_id in PaymentAttempt.objects.filter(order_id=order_id, state__in=LIVE_STATES).values_list(
        "pk", flat=True
    ):
        expiry.retire(attempt_id, clock=clock, actor=actor)


def _refuse_live_attempts(order: Order) -> None:
    live = PaymentAttempt.objects.filter(order=order, state__in=LIVE_STATES).first()
    if live is not None:
        raise NotPossible(
            f"{live.provider} could not end the payment that is under way ({live.state.replace('_', ' ')}"
            f"{': ' + live.look_error if live.look_error else ''}). Try again once it has ended."
        )


def check_ceiling(amount: Money) -> None:
    ceiling = settings.CORRECTION_CEILINGS.get(amount.currency)
    if ceiling is not None and amount.amount_minor > ceiling:
        raise NotPossible(
            f"{amount} is above {Money(ceiling, amount.currency)}, the most that corrections move "
            "(CORRECTION_CEILINGS)."
        )


def _require_exactly(total: Money, typed: str) -> None:
    try:
        same = Decimal(typed.strip().replace(",", ".")) == total.major
    except InvalidOperation:
        same = False
    if not same:
        raise NotPossible(f"The evidence must be over {total}, the order's total; it says {typed}.")
