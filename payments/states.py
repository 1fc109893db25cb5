"""The states of what moves money, one sentence each. Edges stand on the models, where django-fsm reads them."""

from django.db import models


class AttemptState(models.TextChoices):
    """One try to pay one order at one provider."""

    CREATED = "created", "Created: written down here; the provider has not answered yet."
    PENDING = "pending", "Pending: the provider's page is open, or the payment is on its way."
    REQUIRES_ACTION = "requires_action", "Action needed: the shopper's bank wants one more step."
    AUTHORIZED = "authorized", "Authorized: money is reserved; the capture is ours to make."
    PAID = "paid", "Paid: the provider holds a capture of exactly this amount."
    FAILED = "failed", "Failed: the provider says that this payment can no longer succeed."
    CANCELLED = "cancelled", "Cancelled: closed or expired before money moved."
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded: some of the money went back."
    REFUNDED = "refunded", "Refunded: all of the money went back."


LIVE_STATES = (AttemptState.CREATED, AttemptState.PENDING, AttemptState.REQUIRES_ACTION, AttemptState.AUTHORIZED)
"""An attempt in one of these may still take money; an order has one of them at most."""


class RefundState(models.TextChoices):
    """Money going back out of one capture."""

    REQUESTED = "requested", "Requested: written down here; the provider has not confirmed it yet."
    PENDING = "pending", "Pending: the provider has it in hand; the money is not on its way yet."
    SUCCEEDED = "succeeded", "Succeeded: the money has left our account at the provider."
    FAILED = "failed", "Failed: the customer did not get it; what had left has come back."


UNDECIDED_REFUNDS = (RefundState.REQUESTED, RefundState.PENDING)
"""A refund in one of these reserves its amount, and its attempt is looked at until it is decided."""
HELD_REFUNDS = (*UNDECIDED_REFUNDS, RefundState.SUCCEEDED)
"""What these took, or may still take, of a capture is not there to be refunded again."""


class PayoutState(models.TextChoices):
    """Money on its way from a provider to the bank."""

    PENDING = "pending", "Pending: the provider has not handed it to the bank yet."
    IN_TRANSIT = "in_transit", "In transit: on its way to the bank."
    PAID = "paid", "Paid: the provider says that the bank has it."
    FAILED = "failed", "Failed: the bank sent it back; the money is in the provider's balance again."
    CANCELLED = "cancelled", "Cancelled: called off before the bank had it."


class DisputeState(models.TextChoices):
    """Money that a bank claims back for its cardholder. A new one is an inquiry or open."""

    INQUIRY = "inquiry", "Inquiry: the bank asks; no money has moved."
    OPEN = "open", "Open: the bank has taken the money back; it can be answered until its deadline."
    UNDER_REVIEW = "under_review", "Under review: the bank has our evidence and decides."
    WON = "won", "Won: the bank decided for us."
    LOST = "lost", "Lost: the bank decided against us, or nobody answered; the money is gone."
    CLOSED = "closed", "Closed: the inquiry ended, and no money moved."


UNDECIDED_DISPUTES = (DisputeState.INQUIRY, DisputeState.OPEN, DisputeState.UNDER_REVIEW)
"""A dispute in one of these may still end either way."""


class CallState(models.TextChoices):
    """A mutating call to a provider."""

    PREPARED = "prepared", "Prepared: committed, not sent."
    SENT = "sent", "Sent: on its way; no answer is stored yet."
    ANSWERED = "answered", "Answered: the provider's answer is stored."
    UNKNOWN = "unknown", "Unknown: no answer that can be believed; it is sent again under the same key."
    ABANDONED = (
        "abandoned",
        "Abandoned: given up; no money can have moved by it, or its page is watched for late money.",
    )


class EventState(models.TextChoices):
    """An inbox row: one event of a provider."""

    UNVERIFIED = "unverified", "Unverified: its proof could not be checked yet."
    RECEIVED = "received", "Received: durable, waiting for a look."
    PROCESSED = "processed", "Processed: a look that began after it was received has been settled."
    IGNORED = "ignored", "Ignored: of a type that changes no payment, or not ours to act on."
    PARKED = "parked", "Parked: it matches nothing here yet."
    FAILED = "failed", "Failed: the look did not succeed; it is tried again."
    DEAD = "dead", "Dead: given up after the last try; a person must act."
    REJECTED = "rejected", "Rejected: its proof was checked and is wrong."
