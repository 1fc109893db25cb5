"""What Stripe says of one payment, as one PaymentSnapshot (PROVIDERS.md, section 4). Pure: no call, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.contract import (
    CaptureSnapshot,
    PaymentSnapshot,
    PaymentStatus,
    ProviderIds,
    RefundSnapshot,
    Started,
    TrySnapshot,
    Unavailable,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.stripe import disputes, forms
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.errors import decline_of
from integrations.providers.stripe.money import from_stripe

# Our reference travels under this metadata key; refunds of ours carry theirs under the other.
REFERENCE_KEY = "attempt"
REFUND_REFERENCE_KEY = "refund"

_LONGEST_METHOD = 40

# Intents that wait for the shopper's payment method; the page is where it is given.
_WAITING = frozenset({"", "requires_payment_method", "requires_confirmation"})

_REFUND_STATUS = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Stripe's objects of one payment; `session` or `intent` may be missing, not both."""

    session: Answer | None
    intent: Answer | None
    charges: Sequence[Answer] = ()
    refunds: Sequence[Answer] = ()
    disputes: Sequence[Answer] = ()


def started(session: Answer, *, account: str) -> Started:
    """Read the answer to a session's creation. Raises Unavailable where it is not what the API documents."""
    if not forms.is_embedded(session):
        answers.text(session, "url")
    return Started(
        ids=ProviderIds(page_id=answers.text(session, "id"), intent_id=answers.id_of(session, "payment_intent")),
        account=account,
        mode=answers.mode(session),
        redirect_url=answers.web_address(session, "url"),
        expires_at=answers.moment_or_none(session, "expires_at"),
        raw={"session": session},
    )


def snapshot(payment: Payment, *, account: str) -> PaymentSnapshot:
    """Reduce Stripe's objects to our words. Raises Unavailable where one is not what the API documents."""
    session, intent = payment.session, payment.intent
    main = session if session is not None else intent
    if main is None:
        raise Unavailable("Stripe told neither a session nor an intent", code="shape")
    captures = tuple(capture(charge) for charge in payment.charges if is_captured(charge))
    status, page_open = _status(session, intent, captured=bool(captures))
    amount_minor, currency = from_stripe(
        answers.whole(main, "amount" if session is None else "amount_total"), answers.text(main, "currency")
    )
    refused = answers.inner(intent, "last_payment_error") if intent is not None else None
    return PaymentSnapshot(
        provider="stripe",
        account=account,
        mode=answers.mode(main),
        reference=_reference(session, intent),
        ids=ProviderIds(
            page_id=answers.text(session, "id") if session is not None else "",
            intent_id=answers.text(intent, "id") if intent is not None else "",
        ),
        status=status,
        amount_minor=amount_minor,
        currency=currency,
        page_open=page_open,
        page_url=answers.web_address(session, "url") if session is not None else "",
        expires_at=answers.moment_or_none(session, "expires_at") if session is not None else None,
        decline=decline_of(refused) if refused is not None else None,
        captures=captures,
        refunds=tuple(refund(told) for told in payment.refunds),
        disputes=tuple(disputes.snapshot(told) for told in payment.disputes),
        in_review=_in_review(intent, status, captured=bool(captures)),
        tries=tuple(told for charge in payment.charges if (told := _try(charge)) is not None),
        raw={
            "session": session,
            "payment_intent": intent,
            "charges": list(payment.charges),
            "refunds": list(payment.refunds),
            "disputes": list(payment.disputes),
        },
    )


def is_captured(charge: Answer) -> bool:
    """Return whether this charge moved money to us."""
    return (
        charge.get("paid") is True
        and charge.get("captured") is True
        and charge.get("status") == "succeeded"
        and answers.whole(charge, "amount_captured") > 0
    )


def _reference(session: Answer | None, intent: Answer | None) -> str:
    """Return our reference. Where Stripe's objects disagree, return all of them joined, which matches no attempt."""
    found: set[str] = set()
    if session is not None:
        found |= {answers.metadata(session, REFERENCE_KEY), answers.text_or_empty(session, "client_reference_id")}
    if intent is not None:
        found.add(answers.metadata(intent, REFERENCE_KEY))
    return "|".join(sorted(found - {""}))


def _status(session: Answer | None, intent: Answer | None, *, captured: bool) -> tuple[PaymentStatus, bool]:
    """Return the canonical status, and whether the page may still take money."""
    intent_status = answers.text(intent, "status") if intent is not None else ""
    if session is None:
        return _status_of_intent(intent_status, captured=captured), False
    session_status, payment_status = answers.text(session, "status"), answers.text(session, "payment_status")
    if session_status not in ("open", "complete", "expired"):
        raise answers.unreadable(session, "status")
    if payment_status not in ("paid", "unpaid", "no_payment_required"):
        raise answers.unreadable(session, "payment_status")
    page_open = session_status == "open" and intent_status not in ("canceled", "succeeded")
    if session_status == "expired" and intent_status in (*_WAITING, "requires_action"):
        return PaymentStatus.CANCELLED, False
    if session_status == "complete" and intent_status in _WAITING:
        # The page is done and the intent asks for another method: an asynchronous payment has failed.
        return PaymentStatus.FAILED, False
    if intent_status in _WAITING:
        return PaymentStatus.PENDING, page_open
    return _status_of_intent(intent_status, captured=captured and payment_status == "paid"), page_open


def _status_of_intent(status: str, *, captured: bool) -> PaymentStatus:
    match status:
        case "succeeded":
            # Between the intent's success and the charge's capture there is a moment; money is what is captured.
            return PaymentStatus.PAID if captured else PaymentStatus.PENDING
        case "requires_capture":
            return PaymentStatus.AUTHORIZED
        case "requires_action":
            return PaymentStatus.REQUIRES_ACTION
        case "canceled":
            return PaymentStatus.CANCELLED
        case "processing" | "requires_payment_method" | "requires_confirmation":
            return PaymentStatus.PENDING
    raise Unavailable("Stripe's payment_intent has a status we do not know", code="shape")


def _in_review(intent: Answer | None, status: PaymentStatus, *, captured: bool) -> bool:
    """Return whether a person at Stripe (Radar) looks at a payment that is not captured yet."""
    if intent is None or captured or status not in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED):
        return False
    return bool(answers.id_of(intent, "review"))


def capture(charge: Answer) -> CaptureSnapshot:
    """Read one charge that is_captured(). Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = from_stripe(answers.whole(charge, "amount_captured"), answers.text(charge, "currency"))
    entry = answers.inner(charge, "balance_transaction")
    fee_minor = None
    # Where Stripe settles in another currency, its fee is in that one: it is no fee of this capture's currency.
    if entry is not None and answers.text(entry, "currency").upper() == currency:
        fee_minor, _ = from_stripe(answers.whole(entry, "fee"), currency)
    return CaptureSnapshot(
        capture_id=answers.text(charge, "id"),
        amount_minor=amount_minor,
        currency=currency,
        captured_at=answers.moment(charge if entry is None else entry, "created"),
        fee_minor=fee_minor,
        intent_id=answers.id_of(charge, "payment_intent"),
    )


def _try(charge: Answer) -> TrySnapshot | None:
    """Read a charge as a try. Only statistics hang on it: one that cannot be read, or is not decided, is none."""
    status = charge.get("status")
    if status not in ("succeeded", "failed"):
        return None
    try:
        outcome = answers.inner(charge, "outcome") or {}
        details = answers.inner(charge, "payment_method_details") or {}
        method = answers.text_or_empty(details, "type")[:_LONGEST_METHOD]
        of_method = answers.inner(details, method) or {} if method else {}
        refused = {"decline_code": outcome.get("reason"), "code": charge.get("failure_code")}
        return TrySnapshot(
            try_id=answers.text(charge, "id"),
            at=answers.moment(charge, "created"),
            succeeded=status == "succeeded",
            decline=decline_of(refused) if status == "failed" else None,
            method=method,
            fingerprint=answers.text_or_empty(of_method, "fingerprint"),
        )
    except Unavailable:
        return None


def refund(told: Answer) -> RefundSnapshot:
    """Read one refund. Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = from_stripe(answers.whole(told, "amount"), answers.text(told, "currency"))
    stripes = answers.text_or_empty(told, "status") or "pending"
    status = _REFUND_STATUS.get(stripes)
    if status is None:
        raise answers.unreadable(told, "status")
    failure = answers.text_or_empty(told, "failure_reason") if status == "failed" else ""
    return RefundSnapshot(
        refund_id=answers.text(told, "id"),
        capture_id=answers.id_of(told, "charge"),
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        reference=answers.metadata(told, REFUND_REFERENCE_KEY),
        created_at=answers.moment_or_none(told, "created"),
        failure_reason=failure or (stripes if status == "failed" else ""),
    )
