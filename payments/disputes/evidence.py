"""The evidence pack of a dispute: what our rows prove by themselves, what staff add, what the bank will ask for.

Plain texts, as providers take them. What the rows tell ends with the day of the dispute, so that the pack of an order
is the same whenever it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations.contract import EvidenceText
from integrations.models import Delivery, DeliveryState, DestinationKind
from orders.models import Order, Transition
from payments.disputes.calls import texts_of
from payments.masking import masked_address
from payments.models import Dispute, ProviderCall
from payments.models.call import Operation
from payments.situation import provider_label
from payments.states import CallState

LONGEST_CHARACTERS = 20_000
"""Of one text; all together the provider limits (Capabilities.evidence_max_characters)."""
_MOST_MAILS = 50

LABELS: Mapping[EvidenceText, str] = {
    EvidenceText.CUSTOMER_EMAIL: "Customer's e-mail address",
    EvidenceText.PRODUCT_DESCRIPTION: "What was bought",
    EvidenceText.SERVICE_DATE: "Date of the service",
    EvidenceText.SHIPPING_CARRIER: "Carrier",
    EvidenceText.SHIPPING_TRACKING_NUMBER: "Tracking number",
    EvidenceText.SHIPPING_DATE: "Shipped on",
    EvidenceText.SHIPPING_ADDRESS: "Shipped to",
    EvidenceText.REFUND_POLICY: "Refund policy, and how the customer saw it",
    EvidenceText.REFUND_REFUSAL: "Why no refund is due",
    EvidenceText.CANCELLATION_REBUTTAL: "Why the cancellation does not hold",
    EvidenceText.DUPLICATE_EXPLANATION: "Why the two payments are not for the same thing",
    EvidenceText.STATEMENT: "Our statement, and what happened when",
}
FROM_ROWS = (EvidenceText.CUSTOMER_EMAIL, EvidenceText.PRODUCT_DESCRIPTION)
"""What our rows tell alone; the statement is both ours and staff's, the rest is staff's."""

_PROOF_OF_DELIVERY = (
    EvidenceText.SHIPPING_CARRIER,
    EvidenceText.SHIPPING_TRACKING_NUMBER,
    EvidenceText.SHIPPING_DATE,
    EvidenceText.SHIPPING_ADDRESS,
)
_ASKED_FOR: Mapping[str, tuple[EvidenceText, ...]] = {
    "product_not_received": _PROOF_OF_DELIVERY,
    "fraudulent": _PROOF_OF_DELIVERY,
    "unrecognized": _PROOF_OF_DELIVERY,
    "debit_not_authorized": _PROOF_OF_DELIVERY,
    "product_unacceptable": (EvidenceText.REFUND_POLICY, EvidenceText.REFUND_REFUSAL),
    "credit_not_processed": (EvidenceText.REFUND_POLICY, EvidenceText.REFUND_REFUSAL),
    "duplicate": (EvidenceText.DUPLICATE_EXPLANATION,),
    "subscription_canceled": (EvidenceText.CANCELLATION_REBUTTAL, EvidenceText.SERVICE_DATE),
}
"""What decides a dispute of this reason, beside what every answer needs
(https://docs.stripe.com/disputes/reason-codes-defense-requirements)."""
_ALWAYS = (EvidenceText.PRODUCT_DESCRIPTION, EvidenceText.CUSTOMER_EMAIL, EvidenceText.STATEMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the checklist: a text, whether the reason asks for it, and what there is of it, fit to be shown."""

    text: EvidenceText
    label: str
    asked_for: bool
    shown: str

    @property
    def is_there(self) -> bool:
        return bool(self.shown)


def build(dispute: Dispute, told: Mapping[str, Any]) -> dict[EvidenceText, str]:
    """Return the pack: what the rows tell, and what staff `told` (keys of EvidenceText); no empty text."""
    order = dispute.order
    texts = {EvidenceText(name): str(value).strip() for name, value in told.items() if name in set(EvidenceText)}
    texts[EvidenceText.CUSTOMER_EMAIL] = order.email
    texts[EvidenceText.PRODUCT_DESCRIPTION] = _within(_what_was_bought(order))
    said = texts.get(EvidenceText.STATEMENT, "")
    happened = "\n".join(["What happened (times in UTC):", *_what_happened(dispute)])
    texts[EvidenceText.STATEMENT] = _within(f"{said}\n\n{happened}" if said else happened)
    return {name: text for name, text in texts.items() if text}


def staged(dispute: Dispute) -> dict[EvidenceText, str]:
    """Return what the provider holds by our calls and has not sent to the bank; empty where nothing is staged."""
    held: dict[EvidenceText, str] = {}
    for call in _calls(dispute, Operation.STAGE).filter(state=CallState.ANSWERED, error_category="").order_by("pk"):
        held |= texts_of(call.request)
    return held


def unfinished_call(dispute: Dispute) -> ProviderCall | None:
    """Return a call about this dispute whose outcome is not known yet."""
    on_its_way = [CallState.PREPARED, CallState.SENT, CallState.UNKNOWN]
    return _calls(dispute, *Operation).filter(state__in=on_its_way).order_by("pk").first()


def submission(dispute: Dispute) -> ProviderCall | None:
    """Return our call by which the bank has the answer to what it asks now; None while there is none.

    An inquiry that became a chargeback asks anew: what answered the inquiry does not count.
    """
    sent = _calls(dispute, Operation.EVIDENCE).filter(state=CallState.ANSWERED, error_category="")
    escalated = Transition.objects.filter(
        subject_kind=Dispute.SUBJECT_KIND, subject_id=dispute.pk, event="escalated", forbidden=False
    )
    since = escalated.order_by("-sequence").values_list("at", flat=True).first()
    if since is not None:
        sent = sent.filter(created_at__gte=since)
    return sent.order_by("-pk").first()


def checklist(dispute: Dispute, texts: Mapping[EvidenceText, str]) -> list[Line]:
    """Return what there is and what is missing, what the reason asks for first."""
    asked = {*_ALWAYS, *_ASKED_FOR.get(dispute.reason, ())}
    lines = [
        Line(text=text, label=LABELS[text], asked_for=text in asked, shown=shown(text, texts.get(text, "")))
        for text in EvidenceText
    ]
    return sorted(lines, key=lambda line: not line.asked_for)


def shown(name: EvidenceText, text: str) -> str:
    """Return a text as staff see it: all of it, but for the customer's address, which is masked."""
    return masked_address(text) if name is EvidenceText.CUSTOMER_EMAIL and text else text


def missing(lines: list[Line]) -> list[str]:
    """Return the labels of what the reason asks for and is not there."""
    return [line.label for line in lines if line.asked_for and not line.is_there]


def _calls(dispute: Dispute, *operations: str) -> QuerySet[ProviderCall]:
    return ProviderCall.objects.filter(
        attempt=dispute.attempt_id, operation__in=operations, request__dispute_id=dispute.dispute_id
    )


def _what_was_bought(order: Order) -> str:
    lines = [
        f"{line.quantity} × {line.name} ({line.sku}), {line.unit_price} each, {line.total}"
        for line in order.lines.order_by("pk")
    ]
    return "\n".join([f"Order {order.number} over {order.total}:", *lines])


def _what_happened(dispute: Dispute) -> list[str]:
    order, capture = dispute.order, dispute.capture
    moments: list[tuple[datetime, str]] = [
        (order.placed_at, f"The customer placed order {order.number} over {order.total}."),
        (
            capture.captured_at,
            f"{provider_label(capture.provider)} took {capture.amount} (payment {capture.capture_id}).",
        ),
        *_mails(dispute),
    ]
    return [f"{at:%Y-%m-%d %H:%M}  {what}" for at, what in sorted(moments) if at <= dispute.opened_at]


def _mails(dispute: Dispute) -> list[tuple[datetime, str]]:
    mails = Delivery.objects.filter(
        event__subject_kind=Order.SUBJECT_KIND,
        event__subject_id=dispute.order_id,
        destination__kind=DestinationKind.MAIL,
        state=DeliveryState.DELIVERED,
        delivered_at__lte=dispute.opened_at,
    )
    sent = mails.order_by("delivered_at").values_list("delivered_at", "event__fact", "key")[:_MOST_MAILS]
    return [
        (at, f"A mail was sent to the customer's address: {_MAIL.get(fact, fact)} (message {key}).")
        for at, fact, key in sent
        if at is not None
    ]


_MAIL = {
    "order.placed": "confirmation of the order",
    "order.paid": "receipt",
    "order.expired": "the order expired unpaid",
    "order.cancelled": "the order was cancelled",
    "attempt.failed": "a payment failed",
}


def _within(text: str) -> str:
    """Return a text that the provider takes; one that is too long ends with a word that says so."""
    return text if len(text) <= LONGEST_CHARACTERS else text[: LONGEST_CHARACTERS - 12] + "\n(shortened)"
