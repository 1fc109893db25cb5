"""Stripe over its official SDK: a hosted page to pay on, whole payments to look at. It moves no state of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from integrations.contract import (
    BalanceEntry,
    Capabilities,
    EvidenceTexts,
    InvalidRequest,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    Mode,
    Notification,
    Page,
    PageLine,
    PayForm,
    PaymentSnapshot,
    PayoutSnapshot,
    Presentation,
    ProviderIds,
    ProviderMisconfigured,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
)
from integrations.contract.not_offered import WithoutCapture, WithoutTokens
from integrations.providers.answer_reading import Answer
from integrations.providers.stripe import disputes, forms, listing, notifications, payouts, refunds, snapshots
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.client import Client, checked, items
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE, check_credentials, mode_of
from integrations.providers.stripe.money import CURRENCIES, to_stripe
from integrations.providers.stripe.snapshots import REFERENCE_KEY, Payment

MAX_LINE_ITEMS = 100
MAX_NAME_LENGTH = 250
_EXPAND_INTENT = "latest_charge.balance_transaction"


class StripeProvider(WithoutTokens, WithoutCapture):
    """The adapter. See integrations.contract.Provider; call it through integrations.providers.get.

    `connect_timeout_seconds` and `read_timeout_seconds` hold per connection and per read; guard.py sets the deadline
    over all. `on_use` is told which key or signing secret has just been of use. Raises ProviderMisconfigured for keys
    or addresses that must not be used in `environment`.
    """

    name = "stripe"
    capabilities = Capabilities(
        key_lifetime_seconds=24 * 3600,
        key_max_length=255,
        # Objects are found by id at once; lists may lag.
        lookup_settles_after_seconds=60,
        page_lifetime_min_seconds=30 * 60,
        page_lifetime_max_seconds=24 * 3600,
        currencies=CURRENCIES,
        events_backfill_days=30,
        lists_payments=True,
        payouts=True,
        disputes=True,
        evidence_max_characters=disputes.MAX_CHARACTERS,
    )

    def __init__(
        self,
        *,
        environment: str,
        api_key: str,
        webhook_secrets: Sequence[str],
        publishable_key: str = "",
        api_base: str = OFFICIAL_API_BASE,
        three_d_secure: str = "automatic",
        connect_timeout_seconds: float = 3,
        read_timeout_seconds: float = 10,
        on_use: Callable[[str], None] = lambda _: None,
    ) -> None:
        problems = check_credentials(
            environment=environment,
            api_key=api_key,
            webhook_secrets=webhook_secrets,
            publishable_key=publishable_key,
            api_base=api_base,
            three_d_secure=three_d_secure,
        )
        mode = mode_of(api_key)
        if problems or mode is None:
            raise ProviderMisconfigured(self.name, tuple(problems))
        self.mode: Mode = mode
        self._webhook_secrets = tuple(webhook_secrets)
        self._three_d_secure = three_d_secure
        self._publishable_key, self._api_base = publishable_key, api_base
        if publishable_key:  # without it there is no frame to show
            both = (Presentation.HOSTED, Presentation.EMBEDDED)
            self.capabilities = dataclasses.replace(self.capabilities, presentations=both)
        self._secret_used = on_use
        self._client = Client(
            api_key=api_key,
            api_base=api_base,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
            on_use=partial(on_use, api_key),
        )

    def __repr__(self) -> str:
        return f"<StripeProvider {self.mode}>"

    def account(self) -> str:
        """Return the id of the account our key belongs to; asked once. A restricted key needs leave to read it."""
        return self._client.account()

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        """Open a hosted Checkout Session.

        Sent, and nothing else: `mode`; per line name, quantity, unit price and currency; the shopper's e-mail address
        (where the receipt goes); our reference as `client_reference_id` and as metadata `attempt` of session and
        intent; the order number as the intent's description; where to return to; `expires_at`; the 3-D Secure policy;
        adaptive pricing off, so that the shopper pays the currency of the order. No name, address, phone or basket
        history. The same request always becomes the same parameters: a repeat under the same key must not differ.
        """
        params = self._session_params(request)
        account = self.account()
        session = self._client.ask(
            self._client.v1.checkout.sessions.create, params, {"idempotency_key": idempotency_key}
        )
        return snapshots.started(session, account=account)

    def form(self, ids: ProviderIds) -> PayForm:
        """Return what Stripe's frame needs; see forms.form. Raises NotOffered without a publishable key."""
        if not self._publishable_key:
            raise self._not_offered("an embedded form")
        page = self._client.ask_about(self._page_id(ids), self._client.v1.checkout.sessions.retrieve, {})
        return forms.form(page, publishable_key=self._publishable_key, api_base=self._api_base)

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        """Ask for session, intent, charges, refunds and disputes, as far as there can be any."""
        account = self.account()
        session, intent = self._session_and_intent(ids)
        charges: list[Answer] = []
        given_back: list[Answer] = []
        disputed: list[Answer] = []
        if intent is not None:
            charges = self._charges(intent)
            of_intent = {"payment_intent": answers.text(intent, "id")}
            if any(snapshots.is_captured(charge) for charge in charges):
                given_back = self._client.all_of(self._client.v1.refunds.list, of_intent)
            if any(charge.get("disputed") for charge in charges):
                disputed = self._client.all_of(self._client.v1.disputes.list, of_intent)
        payment = Payment(session=session, intent=intent, charges=charges, refunds=given_back, disputes=disputed)
        return snapshots.snapshot(payment, account=account)

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Expire the session. One that is complete or expired already stays as it is."""
        page_id = self._page_id(ids)
        sessions = self._client.v1.checkout.sessions
        try:
            self._client.ask_about(page_id, sessions.expire, {}, {"idempotency_key": idempotency_key})
        except InvalidRequest:
            session = self._client.ask_about(page_id, sessions.retrieve, {})
            if session.get("status") not in ("complete", "expired"):
                raise

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Cancel the intent, which gives the reserved money back. One that is captured or cancelled stays as it is."""
        _, intent = self._session_and_intent(ids)
        if intent is None or intent.get("status") != "requires_capture":
            return
        self._client.ask_about(
            answers.text(intent, "id"),
            self._client.v1.payment_intents.cancel,
            {"cancellation_reason": "requested_by_customer"},
            {"idempotency_key": idempotency_key},
        )

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        """Give money of one charge back; see refunds.create."""
        return refunds.create(self._client, request, idempotency_key=idempotency_key)

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """See disputes.stage."""
        disputes.stage(self._client, dispute_id, texts, idempotency_key=idempotency_key)

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """See disputes.submit."""
        disputes.submit(self._client, dispute_id, texts, idempotency_key=idempotency_key)

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        """See disputes.accept."""
        disputes.accept(self._client, dispute_id, idempotency_key=idempotency_key)

    def find_capture(self, capture_id: str) -> ListedCapture:
        """Ask for one charge; see listing.find_capture."""
        return listing.find_capture(self._client, capture_id)

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        """List charges; see listing.list_captures."""
        return listing.list_captures(self._client, since=since, until=until, cursor=cursor)

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        """List refunds; see listing.list_refunds."""
        return listing.list_refunds(self._client, since=since, until=until, cursor=cursor)

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        """List events; see listing.list_events."""
        return listing.list_events(self._client, since=since, cursor=cursor, types=types)

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        """Return one page of the payouts made since then; see payouts.list_payouts."""
        return payouts.list_payouts(self._client, since=since, cursor=cursor)

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        """Return one payout."""
        return payouts.fetch_payout(self._client, payout_id)

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        """Return one page of an automatic payout's entries; see payouts.payout_entries."""
        return payouts.payout_entries(self._client, payout_id, cursor=cursor)

    def list_balance_entries(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[BalanceEntry]:
        """Return one page of the balance's entries of a time."""
        return payouts.list_balance_entries(self._client, since=since, until=until, cursor=cursor)

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and read a webhook; see notifications.verify."""
        return notifications.verify(
            headers=headers,
            body=body,
            secrets=self._webhook_secrets,
            now=now,
            provider=self.name,
            on_match=self._secret_used,
        )

    prove = verify  # the proof needs nobody

    # What is sent.

    def _session_params(self, request: StartRequest) -> dict[str, Any]:
        if request.expires_at.tzinfo is None:
            raise InvalidRequest("expires_at needs a time zone", code="expires_at")
        to_stripe(request.amount_minor, request.currency)
        params: dict[str, Any] = {
            "mode": "payment",
            "line_items": _line_items(request),
            "client_reference_id": request.reference,
            "metadata": {REFERENCE_KEY: request.reference},
            "payment_intent_data": {
                "description": request.order_number,
                "metadata": {REFERENCE_KEY: request.reference},
            },
            "payment_method_options": {"card": {"request_three_d_secure": self._three_d_secure}},
            "adaptive_pricing": {"enabled": False},
            **self._where_it_is_shown(request),
            "expires_at": int(request.expires_at.timestamp()),
        }
        if request.email:
            params["customer_email"] = request.email
        return params

    def _where_it_is_shown(self, request: StartRequest) -> dict[str, str]:
        if request.presentation is Presentation.HOSTED:
            return {"success_url": request.return_url, "cancel_url": request.cancel_url}
        if not self._publishable_key:
            raise self._not_offered("an embedded form")
        return forms.session_params(request)

    # What is asked.

    def _session_and_intent(self, ids: ProviderIds) -> tuple[Answer | None, Answer | None]:
        sessions = self._client.v1.checkout.sessions
        if ids.page_id:
            expand = {"expand": [f"payment_intent.{_EXPAND_INTENT}"]}
            page = self._client.ask_about(ids.page_id, sessions.retrieve, expand)
            return page, answers.inner(page, "payment_intent")
        intent_id = checked(ids.intent_id)
        found = self._client.ask(
            sessions.list,
            {"payment_intent": intent_id, "limit": 1, "expand": [f"data.payment_intent.{_EXPAND_INTENT}"]},
        )
        for session in items(found):
            return session, answers.inner(session, "payment_intent")
        intents = self._client.v1.payment_intents
        return None, self._client.ask_about(intent_id, intents.retrieve, {"expand": [_EXPAND_INTENT]})

    def _charges(self, intent: Answer) -> list[Answer]:
        """Return the intent's charges: the latest, and all of them where it was refused (each refusal is a try) or does
        not account for what was received."""
        latest = answers.inner(intent, "latest_charge")
        if latest is None:
            return []
        received = answers.whole(latest, "amount_captured") if snapshots.is_captured(latest) else 0
        refused = latest.get("status") == "failed"
        if received == answers.whole(intent, "amount_received") and not refused:
            return [latest]
        of_intent = {
            "payment_intent": answers.text(intent, "id"),
            "expand": ["data.balance_transaction"],
        }
        return self._client.all_of(self._client.v1.charges.list, of_intent)

    def _page_id(self, ids: ProviderIds) -> str:
        if ids.page_id:
            return checked(ids.page_id)
        found = self._client.ask(
            self._client.v1.checkout.sessions.list, {"payment_intent": checked(ids.intent_id), "limit": 1}
        )
        for session in items(found):
            return checked(answers.text(session, "id"))
        raise InvalidRequest("this payment has no page that could be closed", code="no_page")


def _line_items(request: StartRequest) -> list[dict[str, Any]]:
    """Return one item a line; one for the whole order where it has more lines than Stripe takes (100)."""
    lines: Sequence[PageLine] = request.lines
    if sum(line.unit_amount_minor * line.quantity for line in lines) != request.amount_minor:
        raise InvalidRequest("the lines do not add up to the amount", code="lines")
    if len(lines) > MAX_LINE_ITEMS:
        lines = [PageLine(name=request.order_number, quantity=1, unit_amount_minor=request.amount_minor)]
    return [_line_item(line, request.currency) for line in lines]


def _line_item(line: PageLine, currency: str) -> dict[str, Any]:
    if type(line.quantity) is not int or line.quantity < 1:
        raise InvalidRequest("a quantity must be a whole number from 1", code="quantity")
    unit_amount, code = to_stripe(line.unit_amount_minor, currency)
    return {
        "quantity": line.quantity,
        "price_data": {
            "currency": code,
            "unit_amount": unit_amount,
            "product_data": {"name": line.name[:MAX_NAME_LENGTH]},
        },
    }
