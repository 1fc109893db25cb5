"""What is Stripe's own in its adapter, beside the kit: intents without a page, its policies, what exactly is sent.

The first half runs against both, sandbox and Stripe with a test key; what needs a shopper's hand, against the sandbox.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from integrations.contract import (
    DeclineReason,
    InvalidRequest,
    Mode,
    PageLine,
    PaymentStatus,
    ProviderIds,
    Unavailable,
    UnknownObject,
)
from integrations.guard import GuardedProvider
from tests.conformance.conftest import Target, adapter, new_key, start_request
from tests.sandbox.process import Receiver, SandboxProcess


class TestAgainstBoth:
    def test_an_object_nobody_knows(self, target: Target) -> None:
        with pytest.raises(UnknownObject) as caught:
            target.provider.fetch(ProviderIds(page_id="cs_test_nobody"))
        assert caught.value.permanent
        with pytest.raises(UnknownObject):
            target.provider.fetch(ProviderIds(intent_id="pi_nobody"))
        with pytest.raises(UnknownObject):
            target.provider.close(ProviderIds(page_id="cs_test_nobody"), idempotency_key=new_key())

    def test_an_intent_without_a_page_is_read_by_its_id(self, target: Target) -> None:
        intent = target.client.v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "eur",
                "confirm": True,
                "payment_method": "pm_card_visa",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"attempt": "pa_direct"},
            }
        )
        snapshot = target.provider.fetch(ProviderIds(intent_id=intent.id))
        assert snapshot.status is PaymentStatus.PAID
        assert snapshot.reference == "pa_direct"
        assert [(c.amount_minor, c.currency) for c in snapshot.captures] == [(2500, "EUR")]
        assert snapshot.refunds == ()

    def test_a_refund_made_elsewhere_is_seen(self, target: Target) -> None:
        intent = target.client.v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "eur",
                "confirm": True,
                "payment_method": "pm_card_visa",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        refund = target.client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
        snapshot = target.provider.fetch(ProviderIds(intent_id=intent.id))
        [seen] = snapshot.refunds
        assert (seen.refund_id, seen.amount_minor, seen.status) == (refund.id, 400, "succeeded")
        assert seen.capture_id == snapshot.captures[0].capture_id
        assert snapshot.status is PaymentStatus.PAID

    def test_an_authorization_is_released_once(self, target: Target) -> None:
        intent = target.client.v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "eur",
                "confirm": True,
                "capture_method": "manual",
                "payment_method": "pm_card_visa",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        ids, key = ProviderIds(intent_id=intent.id), new_key()
        assert target.provider.fetch(ids).status is PaymentStatus.AUTHORIZED
        target.provider.release(ids, idempotency_key=key)
        target.provider.release(ids, idempotency_key=key)
        target.provider.release(ids, idempotency_key=new_key())
        assert target.provider.fetch(ids).status is PaymentStatus.CANCELLED

    def test_what_is_captured_is_not_released(self, target: Target) -> None:
        intent = target.client.v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "eur",
                "confirm": True,
                "payment_method": "pm_card_visa",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        target.provider.release(ProviderIds(intent_id=intent.id), idempotency_key=new_key())
        assert target.provider.fetch(ProviderIds(intent_id=intent.id)).status is PaymentStatus.PAID

    def test_kronur_are_two_decimals_at_stripe_and_none_here(self, target: Target) -> None:
        request = start_request(
            amount_minor=700, currency="ISK", lines=(PageLine(name="Te", quantity=1, unit_amount_minor=700),)
        )
        started = target.provider.start(request, idempotency_key=new_key())
        assert started.raw["session"]["amount_total"] == 70000
        assert target.provider.fetch(started.ids).amount_minor == 700

    @pytest.mark.parametrize(
        "change",
        [
            {"expires_at": datetime.now(UTC) + timedelta(minutes=5)},
            {"expires_at": datetime.now(UTC) + timedelta(days=2)},
            {"email": "nobody"},
            {"return_url": "not a url"},
            {
                "amount_minor": 1,
                "lines": (PageLine(name="Dust", quantity=1, unit_amount_minor=1),),
            },
        ],
        ids=["expires too soon", "expires too late", "no e-mail address", "no url", "below the minimum"],
    )
    def test_what_stripe_refuses_is_refused_for_good(self, target: Target, change: dict[str, object]) -> None:
        with pytest.raises(InvalidRequest) as caught:
            target.provider.start(start_request(**change), idempotency_key=new_key())
        assert caught.value.permanent
        assert caught.value.request_id.startswith("req_")
        assert "nobody" not in str(caught.value)


class TestPaying:
    """The shopper's side of the page, by the sandbox's control client."""

    def start(self, provider: GuardedProvider, **changes: object) -> ProviderIds:
        return provider.start(start_request(**changes), idempotency_key=new_key()).ids

    def test_the_fee_is_none_until_stripe_tells_it(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        sandbox.control.configure(balance_delay_seconds=3600)
        try:
            sandbox.control.pay(ids.page_id)
        finally:
            sandbox.control.configure(balance_delay_seconds=0)
        [capture] = provider.fetch(ids).captures
        assert capture.fee_minor is None

    def test_refused_tries_are_told_one_by_one(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        """Also where several were made between two looks; the same card has the same fingerprint."""
        ids = self.start(provider)
        for card in ("4000000000009995", "4000000000000002", "4000000000009995"):
            sandbox.control.pay(ids.page_id, card=card)
        tries = sorted(provider.fetch(ids).tries, key=lambda told: told.at)
        assert len({told.try_id for told in tries}) == 3
        assert not any(told.succeeded for told in tries)
        assert sorted(told.decline.reason for told in tries if told.decline) == [
            DeclineReason.DO_NOT_HONOR,
            DeclineReason.INSUFFICIENT_FUNDS,
            DeclineReason.INSUFFICIENT_FUNDS,
        ]
        assert len({told.fingerprint for told in tries}) == 2

        sandbox.control.pay(ids.page_id)
        [taken] = [told for told in provider.fetch(ids).tries if told.succeeded]
        assert taken.decline is None
        assert taken.method == "card"

    @pytest.mark.parametrize(
        ("policy", "status"),
        [("automatic", PaymentStatus.PAID), ("any", PaymentStatus.REQUIRES_ACTION)],
    )
    def test_the_policy_asks_for_three_d_secure(
        self, sandbox: SandboxProcess, policy: str, status: PaymentStatus
    ) -> None:
        provider = GuardedProvider(adapter(base=sandbox.url, three_d_secure=policy))
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, card="4000000000003055")
        assert provider.fetch(ids).status is status

    @pytest.mark.parametrize(
        ("told", "status"),
        [("pending", "pending"), ("requires_action", "pending"), ("failed", "failed"), ("canceled", "failed")],
    )
    def test_a_refund_through_its_states(
        self, provider: GuardedProvider, sandbox: SandboxProcess, told: str, status: str
    ) -> None:
        ids = self.start(provider)
        intent = sandbox.control.pay(ids.page_id).payment_intent
        refund = sandbox.control.refund(payment_intent=intent, amount=1000)
        sandbox.control.move_refund(refund["id"], status=told)
        [seen] = provider.fetch(ids).refunds
        assert (seen.refund_id, seen.status, seen.amount_minor) == (refund["id"], status, 1000)

    def test_a_paid_page_is_closed_already(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        intent = sandbox.control.pay(ids.page_id).payment_intent
        provider.close(ids, idempotency_key=new_key())
        provider.close(ProviderIds(intent_id=intent), idempotency_key=new_key())
        assert provider.fetch(ids).status is PaymentStatus.PAID

    def test_more_lines_than_stripe_takes_become_one(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        lines = tuple(PageLine(name=f"Cup {n}", quantity=1, unit_amount_minor=100) for n in range(101))
        ids = self.start(provider, lines=lines, amount_minor=10100)
        items = sandbox.client().v1.checkout.sessions.line_items.list(ids.page_id).data
        assert [(item.description, item.amount_total) for item in items] == [("S-1001", 10100)]


class TestWhatIsSent:
    def test_no_more_than_the_payment_needs(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        request, key = start_request(), new_key()
        after = max((seen.id for seen in sandbox.control.requests()), default=0)
        provider.start(request, idempotency_key=key)
        [sent] = sandbox.control.requests(method="POST", after_id=after)
        assert sent.idempotency_key == key
        assert sent.api_version == "2026-10-28.endive"
        assert sent.params == {
            "mode": "payment",
            "client_reference_id": request.reference,
            "customer_email": "shopper@example.org",
            "metadata": {"attempt": request.reference},
            "payment_intent_data": {"description": "S-1001", "metadata": {"attempt": request.reference}},
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "adaptive_pricing": {"enabled": "false"},
            "success_url": "https://shop.example/pay/t/return/",
            "cancel_url": "https://shop.example/pay/t/",
            "expires_at": str(int(request.expires_at.timestamp())),
            "line_items": {
                "0": {
                    "quantity": "1",
                    "price_data": {"currency": "eur", "unit_amount": "3990", "product_data": {"name": "Teapot"}},
                },
                "1": {
                    "quantity": "2",
                    "price_data": {"currency": "eur", "unit_amount": "500", "product_data": {"name": "Cup"}},
                },
            },
        }

    def test_the_account_is_asked_for_once(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        after = max((seen.id for seen in sandbox.control.requests()), default=0)
        assert provider.account() == provider.account()
        provider.start(start_request(), idempotency_key=new_key())
        assert len(sandbox.control.requests(path_prefix="/v1/account", after_id=after)) == 1


class TestFaults:
    """The provider's bad days. Outcome unknown means: the same key again, or a look; never a new key."""

    def test_a_replayed_500_stays_unknown(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        provider.account()
        request, key = start_request(), new_key()
        sandbox.control.fault("server_error", method="POST", after=True)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                provider.start(request, idempotency_key=key)
            assert caught.value.http_status == 500
            assert caught.value.outcome_unknown


class TestNotifications:
    """What the provider sends is proved by the adapter and speaks of the payment."""

    def test_every_event_of_a_payment_is_proved_and_leads_to_it(self, tmp_path: Path) -> None:
        receiver = Receiver()
        process = SandboxProcess(state_dir=tmp_path, webhook_url=receiver.url).start()
        try:
            provider = GuardedProvider(adapter(base=process.url))
            request = start_request()
            ids = provider.start(request, idempotency_key=new_key()).ids
            process.control.pay(ids.page_id, card="4000000000009995")
            intent = process.control.pay(ids.page_id).payment_intent
            process.control.refund(payment_intent=intent, amount=100)
            receiver.wait_for(lambda: "refund.created" in receiver.types() and "charge.updated" in receiver.types())
        finally:
            process.stop()
            receiver.close()
        hints = [
            provider.verify(headers=received.headers, body=received.body, now=datetime.now(UTC))
            for received in receiver.received
        ]
        assert len({hint.event_id for hint in hints}) == len(hints)
        for hint in hints:
            assert hint.mode is Mode.TEST
            assert hint.api_version == "2026-10-28.endive"
            assert hint.ids.intent_id == intent or hint.ids.page_id == ids.page_id
            assert hint.reference in (request.reference, "")
        by_type = {hint.type: hint for hint in hints}
        assert by_type["checkout.session.completed"].ids == ProviderIds(page_id=ids.page_id, intent_id=intent)
        assert by_type["payment_intent.succeeded"].reference == request.reference
        assert by_type["payment_intent.payment_failed"].relevant
        assert not by_type["payment_intent.created"].relevant
        assert by_type["refund.created"].object_ids[0].startswith("re_")
