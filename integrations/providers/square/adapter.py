"""Square over its official SDK: a payment link, or a card's token from Square's frame. It moves no state of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from integrations.contract import (
    BalanceEntry,
    Capabilities,
    ConfigurationError,
    EvidenceTexts,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    Mode,
    Notification,
    Page,
    PayForm,
    PaymentSnapshot,
    PayoutSnapshot,
    PayRequest,
    Presentation,
    ProviderIds,
    ProviderMisconfigured,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
)
from integrations.contract.not_offered import WithoutBalanceList, WithoutCapture
from integrations.providers.square import (
    disputes,
    ending,
    listing,
    looking,
    notifications,
    opening,
    paying,
    payouts,
    refunds,
    snapshots,
)
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client
from integrations.providers.square.credentials import check_credentials, mode_of
from integrations.providers.square.money import CURRENCIES


class SquareProvider(WithoutCapture, WithoutBalanceList):
    """The adapter of one location. See integrations.contract.Provider; call it through integrations.providers.get.

    `currency` is the location's; it is held against what Square says of it.
    `webhook_url`: the notification URL as the subscription has it. `connect_timeout_seconds` and `read_timeout_seconds`
    hold per connection and per read; guard.py sets the deadline over all. `on_use` is told which token or signature key
    has just been of use. Raises ProviderMisconfigured for tokens or addresses that must not be used in `environment`.
    """

    name = "square"
    capabilities = Capabilities(
        # Square publishes no retention: we count on a day, and look first after that.
        key_lifetime_seconds=24 * 3600,
        key_max_length=45,
        # Objects are found by id at once; lists lag by seconds.
        lookup_settles_after_seconds=60,
        # A link does not expire: whoever opened it closes it.
        page_lifetime_min_seconds=0,
        page_lifetime_max_seconds=365 * 24 * 3600,
        currencies=CURRENCIES,
        events_backfill_days=28,
        lists_payments=True,
        payouts=True,
        disputes=True,
        evidence_max_characters=disputes.MAX_CHARACTERS,
        presentations=(Presentation.HOSTED, Presentation.EMBEDDED),
        moved_by_us=frozenset({Presentation.EMBEDDED}),
        balance_entries=False,
    )

    def __init__(
        self,
        *,
        environment: str,
        access_token: str,
        location_id: str,
        application_id: str,
        webhook_signature_keys: Sequence[str],
        webhook_url: str,
        currency: str,
        api_base: str,
        connect_timeout_seconds: float = 3,
        read_timeout_seconds: float = 10,
        on_use: Callable[[str], None] = lambda _: None,
    ) -> None:
        problems = check_credentials(
            environment=environment,
            access_token=access_token,
            location_id=location_id,
            application_id=application_id,
            webhook_signature_keys=webhook_signature_keys,
            webhook_url=webhook_url,
            currency=currency,
            api_base=api_base,
        )
        if problems:
            raise ProviderMisconfigured(self.name, tuple(problems))
        self.mode: Mode = mode_of(api_base)
        self.capabilities = replace(type(self).capabilities, currencies=frozenset({currency}))
        self._currency = currency
        self._application_id = application_id
        self._api_base = api_base
        self._webhook_keys = tuple(webhook_signature_keys)
        self._webhook_url = webhook_url
        self._key_used = on_use
        self._client = Client(
            access_token=access_token,
            location_id=location_id,
            api_base=api_base,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
            on_use=partial(on_use, access_token),
        )

    def __repr__(self) -> str:
        return f"<SquareProvider {self.mode}>"

    def account(self) -> str:
        """Return the id of the merchant our location belongs to; asked once."""
        return self._client.account()

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        """Open a payment link, or make an order for our own page; see opening.start."""
        told = answers.text(self._client.location(), "currency")
        if told != self._currency:
            raise ConfigurationError(
                f"the Square location takes {told[:3]}: set SQUARE_CURRENCY to it, or SQUARE_LOCATION_ID to another.",
                code="currency",
            )
        return opening.start(self._client, request, currency=self._currency, idempotency_key=idempotency_key)

    def form(self, ids: ProviderIds) -> PayForm:
        """Return what Square's card frame needs; see paying.form."""
        return paying.form(self._client, ids, application_id=self._application_id, api_base=self._api_base)

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        """Pay with a token of the frame; see paying.pay."""
        return paying.pay(self._client, request, idempotency_key=idempotency_key)

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        """Ask for order, link, payments, refunds and disputes, as far as there can be any."""
        account = self.account()
        return snapshots.snapshot(looking.whole_payment(self._client, ids), account=account, mode=self.mode)

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Delete the link and cancel the order; see ending.close."""
        ending.close(self._client, ids, idempotency_key=idempotency_key)

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Void what is reserved; see ending.release."""
        ending.release(self._client, ids, idempotency_key=idempotency_key)

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        """Give money of one payment back; see refunds.create."""
        return refunds.create(self._client, request, idempotency_key=idempotency_key)

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """See disputes.stage."""
        disputes.stage(self._client, dispute_id, texts, idempotency_key=idempotency_key)

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """See disputes.submit."""
        disputes.submit(self._client, dispute_id, texts, idempotency_key=idempotency_key)

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        """See disputes.accept. It needs no key: what is accepted cannot be accepted again."""
        disputes.accept(self._client, dispute_id)

    def find_capture(self, capture_id: str) -> ListedCapture:
        """Ask for one payment; see listing.find_capture."""
        return listing.find_capture(self._client, capture_id)

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        """List payments; see listing.list_captures."""
        return listing.list_captures(self._client, since=since, until=until, cursor=cursor)

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        """List refunds; see listing.list_refunds."""
        return listing.list_refunds(self._client, since=since, until=until, cursor=cursor)

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        """Search events; see listing.list_events."""
        return listing.list_events(self._client, since=since, cursor=cursor, types=types)

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        """Return one page of the payouts made since then; see payouts.list_payouts."""
        return payouts.list_payouts(self._client, since=since, cursor=cursor)

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        """Return one payout."""
        return payouts.fetch_payout(self._client, payout_id)

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        """Return one page of a payout's entries; see payouts.payout_entries."""
        return payouts.payout_entries(self._client, payout_id, cursor=cursor)

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and read a webhook; see notifications.verify. Square signs no time, so `now` proves nothing."""
        return notifications.verify(
            headers=headers,
            body=body,
            keys=self._webhook_keys,
            url=self._webhook_url,
            mode=self.mode,
            location_id=self._client.location_id,
            on_match=self._key_used,
        )

    prove = verify  # the proof needs nobody
