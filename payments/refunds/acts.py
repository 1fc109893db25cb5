"""The acts by which people send money back: a refund of an order, by role and limit, and of a duplicate, by correction.

The limit (REFUND_LIMITS) counts all that we have refunded of the order, not the one request: many small ones are one
large one.

Threats: more than was captured (checked under the capture's lock, and by the database); the same form twice (the
action's uid); two people at once (the lock, and the preview's fingerprint holds what was left); an amount in another
currency, or with decimals that it has not (read exactly, refused else); another order's capture (looked up within the
order); a refund while the bank already takes the money back (refused).
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.db.models import Sum

from integrations.contract import RefundReason
from integrations.facts import Fact
from orders.models import Order
from orders.money import Money
from orders.states import OrderState
from payments.amounts import NoAmount, read_amount
from payments.calls import sending as calls
from payments.clock import Clock
from payments.corrections import OrderCorrection, check_ceiling
from payments.disputes import recording as disputes
from payments.ledger import chart
from payments.models import Capture, Refund, StaffAction
from payments.models.capture import Disposition
from payments.models.refund import Maker
from payments.offers import gives_parts_back_at_once
from payments.refunds.postings import DEBITED
from payments.refunds.requests import CannotRefund, check_refundable, left_of, request_refund
from payments.roles import Area
from payments.settlement import look
from payments.situation import provider_label
from payments.staff_operations import Change, NotPossible, Parameters, Preview, register
from payments.states import HELD_REFUNDS

REASON_AT_PROVIDER = {
    "customer_asked": RefundReason.REQUESTED_BY_CUSTOMER,
    "goods_returned": RefundReason.REQUESTED_BY_CUSTOMER,
    "cannot_deliver": RefundReason.REQUESTED_BY_CUSTOMER,
    "goodwill": RefundReason.REQUESTED_BY_CUSTOMER,
    "paid_twice": RefundReason.DUPLICATE,
    "suspected_fraud": RefundReason.FRAUDULENT,
}
"""What the provider is told of our reasons; it knows three."""


class RefundForm(forms.Form):
    """How much of which capture goes back."""

    capture = forms.ChoiceField(label="Money to refund")
    amount = forms.CharField(max_length=20, help_text="E.g. 12.50. All that is left stands here to begin with.")

    def __init__(self, *args: Any, captures: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["capture"] = forms.ChoiceField(label="Money to refund", choices=captures)


class RefundAct(OrderCorrection):
    """What both acts have in common: locks, and sending what was written down."""

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        super().lock(subject_id, parameters)
        list(Capture.objects.select_for_update(no_key=True).filter(order_id=subject_id).order_by("pk"))

    def before(self, action: StaffAction, *, clock: Clock) -> None:
        """Look once more: somebody may have refunded at the provider since. One that is away stops nothing: what is
        asked of it waits, and it refuses what is too much."""
        capture = self.chosen(action.subject_id, action.parameters)
        look(capture.attempt_id, clock=clock, actor=action.actor)

    @abstractmethod
    def chosen(self, order_id: int, parameters: Parameters) -> Capture:
        """Return the capture that the act is about. Raises NotPossible."""

    @abstractmethod
    def amount(self, capture: Capture, parameters: Parameters) -> Money:
        """Return how much goes back. Raises NotPossible."""

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        order = _order(subject_id)
        capture = self.chosen(subject_id, parameters)
        amount = self.amount(capture, parameters)
        _refuse_disputed(capture)
        try:
            check_refundable(capture, amount)
        except CannotRefund as error:
            raise NotPossible(str(error)) from None
        left = left_of(capture)
        pays = capture.disposition == Disposition.APPLIED
        return Preview(
            summary=f"{capture.provider} gives {amount} of capture {capture.capture_id} back to the customer.",
            changes=(
                Change(what="left to refund", before=str(left), after=str(left - amount)),
                Change(what="order", before=order.state, after=_order_after(order, capture, amount)),
                Change(
                    what="ledger, once it has succeeded",
                    before="–",
                    after=f"{amount} from {chart.clearing(capture.provider)} to {_debited(capture)}",
                ),
            ),
            stake=amount,
            tells=(Fact.REFUND_SUCCEEDED,),
            order_id=order.pk,
            warnings=(
                *filter(None, [disputes.warns_refund(capture), _only_once_settled(capture, amount)]),
                *(() if pays else ("This money pays no order: the order itself stays as it is.",)),
            ),
            basis={"capture": capture.pk, "refunded_before": refunded_by_us(order.pk).get(capture.currency, 0)},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        capture = self.chosen(action.subject_id, action.parameters)
        try:
            refund = request_refund(
                capture,
                amount=self.amount(capture, action.parameters),
                reason=self.reason_at_provider(action.reason_code),
                action=action,
                at=at,
            )
        except CannotRefund as error:
            raise NotPossible(str(error)) from None
        return {"refund": refund.pk, "reference": refund.reference, "call": refund.calls.get().pk}

    def reason_at_provider(self, code: str) -> RefundReason:
        """Return what the provider is told of our reason."""
        return REASON_AT_PROVIDER.get(code, RefundReason.REQUESTED_BY_CUSTOMER)

    def after(self, action: StaffAction, *, clock: Clock) -> None:
        call = calls.send(action.result["call"], clock=clock)
        look(call.attempt_id, clock=clock, actor=action.actor)


@register
class RefundOrder(RefundAct):
    """Gives money of one capture back, up to what is left of it."""

    name = "refund"
    label = "Refund"
    area = Area.REFUND
    form_class = RefundForm
    reasons: ClassVar[dict[str, str]] = {
        "customer_asked": "The customer asked for it",
        "goods_returned": "Goods came back",
        "cannot_deliver": "We cannot deliver",
        "goodwill": "Goodwill",
        "paid_twice": "Paid twice",
        "suspected_fraud": "Suspected fraud",
    }

    def form(self, subject_id: int, *args: Any, **kwargs: Any) -> forms.Form:
        choices = [(str(capture.pk), _said(capture)) for capture in refundable(subject_id)]
        return RefundForm(*args, captures=choices, **kwargs)

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        capture = refundable(subject_id)[0]
        return {"capture": str(capture.pk), "amount": str(left_of(capture).major)}

    def check(self, subject_id: int, *, at: datetime) -> None:
        _order(subject_id)
        refundable(subject_id)

    def chosen(self, order_id: int, parameters: Parameters) -> Capture:
        found = Capture.objects.filter(order_id=order_id, pk=_number(parameters["capture"])).first()
        if found is None:
            raise NotPossible("This order has no such capture.")
        return found

    def amount(self, capture: Capture, parameters: Parameters) -> Money:
        try:
            return read_amount(str(parameters["amount"]), capture.currency)
        except NoAmount as error:
            raise NotPossible(str(error)) from None

    def area_for(self, preview: Preview) -> Area:
        if preview.stake is None:
            return Area.REFUND_ABOVE
        before = int(preview.basis["refunded_before"])
        return Area.REFUND if is_within_limit(preview.stake, before_minor=before) else Area.REFUND_ABOVE


@register
class RefundTheDuplicate(RefundAct):
    """Gives back, whole, money that pays no order: what was paid twice, or too late."""

    name = "refund_the_duplicate"
    label = "Refund the duplicate"
    reasons: ClassVar[dict[str, str]] = {
        "paid_twice": "The customer paid twice",
        "paid_too_late": "The money came after the order had ended",
    }

    def chosen(self, order_id: int, parameters: Parameters) -> Capture:
        held = Capture.objects.filter(order_id=order_id, disposition=Disposition.UNAPPLIED).order_by(
            "captured_at", "pk"
        )
        for capture in held:
            if left_of(capture) == capture.amount:
                return capture
        raise NotPossible(
            "All money beyond what the order owes is refunded, or about to be."
            if held
            else "No money beyond what the order owes is held for it."
        )

    def amount(self, capture: Capture, parameters: Parameters) -> Money:
        check_ceiling(capture.amount)
        return capture.amount

    def reason_at_provider(self, code: str) -> RefundReason:
        return RefundReason.DUPLICATE if code == "paid_twice" else RefundReason.REQUESTED_BY_CUSTOMER


def refundable(order_id: int) -> list[Capture]:
    """Return the order's captures of which something is left to refund, the one that pays it first.

    Raises NotPossible where there is none.
    """
    captures = list(Capture.objects.filter(order_id=order_id).order_by("pk"))
    if not captures:
        raise NotPossible("No money was taken for this order: there is nothing to refund.")
    found, why = [], ""
    for capture in captures:
        try:
            check_refundable(capture, left_of(capture))
        except CannotRefund as error:
            why = str(error)
        else:
            found.append(capture)
    if not found:
        raise NotPossible(why)
    return sorted(found, key=lambda capture: (capture.disposition != Disposition.APPLIED, capture.pk))


def refunded_by_us(order_id: int) -> dict[str, int]:
    """Return what we have refunded of an order, or are about to, in minor units by currency."""
    ours = Refund.objects.filter(order_id=order_id, made_by=Maker.OURS, state__in=HELD_REFUNDS).order_by()
    return dict(ours.values("currency").annotate(total=Sum("amount_minor")).values_list("currency", "total"))


def is_within_limit(amount: Money, *, before_minor: int) -> bool:
    """Say whether one person may refund this much. `before_minor`: what was refunded of the order already.

    A currency without a limit always needs a second person.
    """
    limit = settings.REFUND_LIMITS.get(amount.currency)
    return limit is not None and before_minor + amount.amount_minor <= limit


def _only_once_settled(capture: Capture, amount: Money) -> str:
    """Warn of a part that the provider may not give back yet: whether it is settled, it alone knows."""
    if amount == capture.amount or gives_parts_back_at_once(capture.provider):
        return ""
    label = provider_label(capture.provider)
    return f"{label} gives a part back only once the payment is settled, a day or so later; until then it refuses."


def _refuse_disputed(capture: Capture) -> None:
    if why := disputes.blocks_refund(capture):
        raise NotPossible(why)


def _debited(capture: Capture) -> str:
    return DEBITED[Disposition(capture.disposition)]


def _order_after(order: Order, capture: Capture, amount: Money) -> str:
    if capture.disposition != Disposition.APPLIED:
        return f"{order.state} (unchanged)"
    whole = left_of(capture) == amount
    return f"{OrderState.REFUNDED if whole else OrderState.PARTIALLY_REFUNDED}, once it has succeeded"


def _said(capture: Capture) -> str:
    pays = "pays the order" if capture.disposition == Disposition.APPLIED else capture.disposition
    return f"{capture.capture_id}: {left_of(capture)} of {capture.amount} left ({pays})"


def _order(order_id: int) -> Order:
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise NotPossible(f"There is no order {order_id}.")
    return order


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
