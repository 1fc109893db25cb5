"""PayPal over its official SDK: an order to approve, our capture of it, whole payments to look at. It moves no state of
ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from integrations.contract import (
    Capabilities,
    CaptureRequest,
    EvidenceTexts,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    Mode,
    Notification,
    Page,
    PayForm,
    PaymentSnapshot,
    Presentation,
    ProviderIds,
    ProviderMisconfigured,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
)
from integrations.contract.not_offered import WithoutBalanceList, WithoutPayouts, WithoutTokens
from integrations.providers.paypal import disputes, form, listing, notifications, orders, refunds, snapshots
from integrations.providers.paypal.answers import answers
from integrations.providers.paypal.certificates import rule_for
from integrations.providers.paypal.client import Client
from integrations.providers.paypal.credentials import check_credentials, mode_of
from integrations.providers.paypal.money import CURRENCIES
from integrations.providers.paypal.notifications import Door

_VERIFY = "/v1/notifications/verify-webhook-signature"


class PayPalProvider(WithoutTokens, WithoutPayouts, WithoutBalanceList):
    """The adapter. See integrations.contract.Provider; call it through integrations.providers.get.

    `connect_timeout_seconds` and `read_timeout_seconds` hold per connection and per read; guard.py sets the deadline
    over all. `webhook_roots`: PEM file of the roots that vouch for a stand-in's webhooks; empty: the public ones.
    `on_use` is told when the client secret has been of use. Raises ProviderMisconfigured for keys or addresses that
    must not be used in `environment`.
    """

    name = "paypal"
    capabilities = Capabilities(
        # Orders six hours, payments 45 days (PROVIDERS.md, section 2): the shorter one counts.
        key_lifetime_seconds=6 * 3600,
        key_max_length=108,
        # Orders and captures are found by id at once; the transaction list is up to three hours late.
        lookup_settles_after_seconds=60,
        # PayPal has no page that closes by itself at a time of ours: we close it, at any time.
        page_lifetime_min_seconds=0,
        page_lifetime_max_seconds=24 * 3600,
        currencies=CURRENCIES,
        events_backfill_days=listing.EVENTS_DAYS,
        lists_payments=True,
        payouts=False,
        disputes=True,
        evidence_max_characters=disputes.MAX_CHARACTERS,
        presentations=(Presentation.HOSTED, Presentation.EMBEDDED),
        moved_by_us=frozenset({Presentation.HOSTED, Presentation.EMBEDDED}),
        balance_entries=False,
        proof_headers=notifications.HEADERS,
    )

    def __init__(
        self,
        *,
        environment: str,
        client_id: str,
        client_secret: str,
        webhook_id: str,
        api_base: str,
        webhook_roots: str = "",
        connect_timeout_seconds: float = 3,
        read_timeout_seconds: float = 10,
        on_use: Callable[[str], None] = lambda _: None,
    ) -> None:
        problems = check_credentials(
            environment=environment,
            client_id=client_id,
            client_secret=client_secret,
            webhook_id=webhook_id,
            api_base=api_base,
            webhook_roots=webhook_roots,
        )
        if problems:
            raise ProviderMisconfigured(self.name, tuple(problems))
        self.mode: Mode = mode_of(api_base)
        self._client_id, self._api_base = client_id, api_base
        rule = rule_for(api_base, webhook_roots=webhook_roots)
        self._door = Door(rule=rule, webhook_id=webhook_id, mode=self.mode)
        self._client = Client(
            client_id=client_id,
            client_secret=client_secret,
            api_base=api_base,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
            on_use=partial(on_use, client_secret),
        )

    def __repr__(self) -> str:
        return f"<PayPalProvider {self.mode}>"

    def account(self) -> str:
        """Return the id of the account our credentials belong to; see orders.account."""
        return orders.account(self._client)

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        """Open an order, to be approved on PayPal's page or by the buttons on ours; see orders.start."""
        return orders.start(self._client, request, ours=self.mode, idempotency_key=idempotency_key)

    def form(self, ids: ProviderIds) -> PayForm:
        """Return what PayPal's buttons need; see form.pay_form."""
        return form.pay_form(order_id=ids.page_id, client_id=self._client_id, api_base=self._api_base, mode=self.mode)

    def capture(self, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
        """Take what the payer has approved; see orders.capture."""
        return orders.capture(self._client, request, idempotency_key=idempotency_key)

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        """Ask for the order with its captures and refunds, and for the disputes of what was captured."""
        order = self._client.get_order(ids.page_id)
        made = answers.items(answers.inner(snapshots.unit_of(order), "payments"), "captures")
        moved = [answers.text(one, "id") for one in made if one.get("status") in snapshots.MOVED]
        disputed = disputes.of_captures(self._client, moved)
        account = snapshots.account_of(order) or self.account()
        return snapshots.snapshot(order, disputed=disputed, account=account, ours=self.mode)

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Make the order take no more money; see orders.close. PayPal takes no key here; a repeat does no harm."""
        orders.close(self._client, ids.page_id)

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Void an authorization. Ours are orders to capture, so there is one only where somebody else made it."""
        payments = answers.inner(snapshots.unit_of(self._client.get_order(ids.page_id)), "payments")
        for one in answers.items(payments, "authorizations"):
            if one.get("status") == "CREATED":
                self._client.void_authorization(answers.text(one, "id"), key=idempotency_key)

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        """Give money of one capture back; see refunds.create."""
        return refunds.create(self._client, request, idempotency_key=idempotency_key)

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """See disputes.stage."""
        disputes.stage(self._client, dispute_id, texts)

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """See disputes.submit."""
        disputes.submit(self._client, dispute_id, texts, idempotency_key=idempotency_key)

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        """See disputes.accept."""
        disputes.accept(self._client, dispute_id, idempotency_key=idempotency_key)

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and read a webhook by the certificate kept here; see notifications.verify."""
        return notifications.verify(headers=headers, body=body, now=now, door=self._door)

    def prove(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """As verify, asking for the certificate; see notifications.prove."""
        return notifications.prove(headers=headers, body=body, now=now, door=self._door, ask=self._ask_verification)

    def find_capture(self, capture_id: str) -> ListedCapture:
        """Ask for one capture; see listing.find_capture."""
        return listing.find_capture(self._client, capture_id, account=self.account(), ours=self.mode)

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        """List payments; see listing.list_captures."""
        return listing.list_captures(self._client, since=since, until=until, cursor=cursor, ours=self.mode)

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        """List refunds; see listing.list_refunds."""
        return listing.list_refunds(self._client, since=since, until=until, cursor=cursor)

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        """List events; see listing.list_events."""
        return listing.list_events(self._client, since=since, cursor=cursor, types=types, ours=self.mode)

    def _ask_verification(self, question: bytes) -> str:
        return answers.text(self._client.post(_VERIFY, question), "verification_status")
