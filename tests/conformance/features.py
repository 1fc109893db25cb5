"""What the conformance kit asks of a provider, by name, so that what one lacks is declared and told, never left out.

Some of it a provider's Capabilities say (FROM_CAPABILITIES); the rest a stand says in `lacks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from integrations.contract import Capabilities, Presentation


class Feature(StrEnum):
    """Each is a noun phrase that completes "X does not offer …"."""

    # Said by Capabilities.
    KEYS = "idempotency keys"
    HOSTED = "a page of its own"
    FORM = "an embedded form"
    FEES = "its fees"
    PAYMENT_LISTS = "lists of payments and refunds"
    EVENT_LIST = "a list of past events"
    PAYOUTS = "payouts"
    BALANCE_LIST = "a list of balance entries"
    DISPUTE_ANSWERS = "answers to disputes"
    DISPUTE_OUTCOMES = "how a dispute ended"
    EARLY_PARTIAL_REFUND = "a partial refund before settlement"

    # Said by the stand: beginning and ending a payment.
    LOOK_BEFORE_PAYING = "a look at a payment before the shopper has paid"
    PAGE_LIFETIME = "a page that ends at a time of ours"
    CLOSING = "closing a page"
    TOKENS = "payment by token"
    CAPTURE = "a capture of ours"

    # What a shopper and the banks do.
    PAYING = "a shopper who pays"
    RETRY = "a second try on the same page after a decline"
    ACTION = "authentication of the shopper that can be waited for"
    DECIDED_LATER = "a payment that is decided days later"
    AUTHORIZATION = "money that is reserved and not captured"
    EXPIRY = "a page that has run out"
    LATE_MONEY = "money after the page was closed"
    SECOND_CAPTURE = "a second capture of one payment"
    OTHER_AMOUNT = "another amount or currency than was asked for"

    # After the payment.
    REFUND_AT_PROVIDER = "a refund made at the provider"
    REFUND_DECIDED_LATER = "a refund that is decided later"
    DISPUTES = "disputes in the look at a payment"
    INQUIRIES = "inquiries before a dispute"
    MANUAL_PAYOUTS = "payouts by hand"
    FAILED_PAYOUTS = "payouts that the bank returns"

    # Mode and account.
    MODE_OF_PAYMENTS = "the mode of a payment in what it tells of it"
    MODE_OF_EVENTS = "the mode in its events"
    ACCOUNT_OF_PAYMENTS = "payments of another account"
    ACCOUNT_OF_EVENTS = "the account in its events"

    # Requests and notifications.
    FAULTS = "bad days on request"
    RUNNING_REQUESTS = "telling that a request under the same key is running"
    NOTIFICATIONS = "notifications that can be received here"
    SIGNING = "signing what we like"
    SECRETS = "signing secrets that can be rotated"
    SIGNED_TIME = "a signed time"
    LIST_LAG = "lists that lag"


FROM_CAPABILITIES: Mapping[Feature, Callable[[Capabilities], bool]] = {
    Feature.KEYS: lambda said: said.key_lifetime_seconds > 0,
    Feature.HOSTED: lambda said: Presentation.HOSTED in said.presentations,
    Feature.FORM: lambda said: Presentation.EMBEDDED in said.presentations,
    Feature.FEES: lambda said: said.tells_fees,
    Feature.PAYMENT_LISTS: lambda said: said.lists_payments,
    Feature.EVENT_LIST: lambda said: said.events_backfill_days > 0,
    Feature.PAYOUTS: lambda said: said.payouts,
    Feature.BALANCE_LIST: lambda said: said.balance_entries,
    Feature.DISPUTE_ANSWERS: lambda said: said.disputes,
    Feature.DISPUTE_OUTCOMES: lambda said: said.dispute_outcome,
    Feature.EARLY_PARTIAL_REFUND: lambda said: said.refund_before_settlement,
}
"""What Capabilities say of a feature; a stand does not say it again."""
