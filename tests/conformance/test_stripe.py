"""What the Stripe adapter promises, against a Stripe that answers: the sandbox always, Stripe itself with a test key.

The first half runs against both; what needs a shopper's hand on the hosted page runs against the sandbox.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from integrations.contract import (
    ConfigurationError,
    DeclineReason,
    IdempotencyConflict,
    InvalidRequest,
    Mode,
    NotificationRejected,
    PageLine,
    PaymentSnapshot,
    PaymentStatus,
    ProviderIds,
    RateLimited,
    Unavailable,
    UnknownObject,
    WrongMode,
)
from integrations.guard import GuardedProvider
from integrations.http import total_deadline
from tests.conformance.conftest import Target, adapter, new_key, start_request
from tests.sandbox.process import Receiver, SandboxProcess


class TestAgainstBoth:
    def test_a_started_payment_waits_on_its_page(self, target: Target) -> None:
        request = start_request()
        started = target.provider.start(request, idempotency_key=new_key())
        assert started.redirect_url.startswith("http")
        assert started.mode is Mode.TEST
        assert started.account == target.provider.account()
        assert started.account.startswith("acct_")
        assert started.expires_at == request.expires_at

        snapshot = target.provider.fetch(started.ids)
        assert snapshot.status is PaymentStatus.PENDING
        assert snapshot.page_open
        assert (snapshot.amount_minor, snapshot.currency) == (4990, "EUR")
        assert snapshot.reference == request.reference
        assert snapshot.ids.page_id == started.ids.page_id
        assert snapshot.captures == ()
        assert snapshot.decline is None
        assert snapshot.page_url == started.redirect_url

    def test_the_same_key_gives_the_same_page(self, target: Target) -> None:
        request, key = start_request(), new_key()
        first = target.provider.start(request, idempotency_key=key)
        assert target.provider.start(request, idempotency_key=key).ids == first.ids

    def test_the_same_key_for_another_request_is_a_permanent_conflict(self, target: Target) -> None:
        key = new_key()
        target.provider.start(start_request(), idempotency_key=key)
        with pytest.raises(IdempotencyConflict) as caught:
            target.provider.start(start_request(), idempotency_key=key)
        assert caught.value.permanent
        assert not caught.value.outcome_unknown

    def test_a_closed_page_takes_no_money_and_may_be_closed_again(self, target: Target) -> None:
        started = target.provider.start(start_request(), idempotency_key=new_key())
        target.provider.close(started.ids, idempotency_key=new_key())
        snapshot = target.provider.fetch(started.ids)
        assert snapshot.status is PaymentStatus.CANCELLED
        assert not snapshot.page_open
        target.provider.close(started.ids, idempotency_key=new_key())

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

    def test_yen_have_no_minor_unit(self, target: Target) -> None:
        request = start_request(
            amount_minor=700, currency="JPY", lines=(PageLine(name="Tea", quantity=1, unit_amount_minor=700),)
        )
        started = target.provider.start(request, idempotency_key=new_key())
        snapshot = target.provider.fetch(started.ids)
        assert (snapshot.amount_minor, snapshot.currency) == (700, "JPY")

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

    def test_paid(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        request = start_request()
        ids = provider.start(request, idempotency_key=new_key()).ids
        before = datetime.now(UTC).replace(microsecond=0)
        intent = sandbox.control.pay(ids.page_id).payment_intent
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.PAID
        assert not snapshot.page_open
        assert snapshot.ids == ProviderIds(page_id=ids.page_id, intent_id=intent)
        assert snapshot.reference == request.reference
        [capture] = snapshot.captures
        assert (capture.amount_minor, capture.currency) == (4990, "EUR")
        assert capture.fee_minor is not None
        assert 0 < capture.fee_minor < 4990
        assert before <= capture.captured_at <= datetime.now(UTC) + timedelta(seconds=1)
        by_intent = provider.fetch(ProviderIds(intent_id=intent))
        assert by_intent.ids == snapshot.ids
        assert by_intent.status is PaymentStatus.PAID

    def test_the_fee_is_none_until_stripe_tells_it(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        sandbox.control.configure(balance_delay_seconds=3600)
        try:
            sandbox.control.pay(ids.page_id)
        finally:
            sandbox.control.configure(balance_delay_seconds=0)
        [capture] = provider.fetch(ids).captures
        assert capture.fee_minor is None

    @pytest.mark.parametrize(
        ("card", "reason"),
        [
            ("4000000000000002", DeclineReason.DO_NOT_HONOR),
            ("4000000000009995", DeclineReason.INSUFFICIENT_FUNDS),
            ("4000000000009987", DeclineReason.FRAUD),
            ("4000000000009979", DeclineReason.FRAUD),
            ("4100000000000019", DeclineReason.FRAUD),
            ("4000000000000069", DeclineReason.EXPIRED_CARD),
            ("4000000000000127", DeclineReason.INCORRECT_CVC),
            ("4000000000000119", DeclineReason.RETRY_LATER),
            ("4000000000006975", DeclineReason.LIMIT),
        ],
    )
    def test_a_decline_is_noted_and_may_be_retried(
        self, provider: GuardedProvider, sandbox: SandboxProcess, card: str, reason: DeclineReason
    ) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, card=card)
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.PENDING
        assert snapshot.page_open
        assert snapshot.decline is not None
        assert snapshot.decline.reason is reason
        assert snapshot.captures == ()

        sandbox.control.pay(ids.page_id)
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.PAID
        assert len(snapshot.captures) == 1
        assert snapshot.decline is None

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

    def test_three_d_secure(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, card="4000002760003184")
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.REQUIRES_ACTION
        assert snapshot.page_open

        sandbox.control.authenticate(ids.page_id, success=False)
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.PENDING
        assert snapshot.decline is not None
        assert snapshot.decline.reason is DeclineReason.AUTHENTICATION_REQUIRED

        sandbox.control.pay(ids.page_id, card="4000002760003184")
        sandbox.control.authenticate(ids.page_id)
        assert provider.fetch(ids).status is PaymentStatus.PAID

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

    @pytest.mark.parametrize(("success", "status"), [(True, PaymentStatus.PAID), (False, PaymentStatus.FAILED)])
    def test_an_asynchronous_payment(
        self, provider: GuardedProvider, sandbox: SandboxProcess, success: bool, status: PaymentStatus
    ) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, method="debit")
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.PENDING
        assert not snapshot.page_open
        assert snapshot.captures == ()
        sandbox.control.settle(ids.page_id, success=success)
        snapshot = provider.fetch(ids)
        assert snapshot.status is status
        assert len(snapshot.captures) == success

    def test_a_page_that_ran_out(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, card="4000000000000002")
        sandbox.control.advance_clock(seconds=2 * 3600)
        try:
            snapshot = provider.fetch(ids)
        finally:
            sandbox.control.set_clock(offset_seconds=0)
        assert snapshot.status is PaymentStatus.CANCELLED
        assert not snapshot.page_open
        assert snapshot.page_url == ""

    def test_a_three_d_secure_payment_whose_page_ran_out(
        self, provider: GuardedProvider, sandbox: SandboxProcess
    ) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, card="4000002760003184")
        provider.close(ids, idempotency_key=new_key())
        assert provider.fetch(ids).status is PaymentStatus.CANCELLED

    def test_money_that_came_after_the_page_was_closed_is_seen(
        self, provider: GuardedProvider, sandbox: SandboxProcess
    ) -> None:
        ids = self.start(provider)
        provider.close(ids, idempotency_key=new_key())
        sandbox.control.pay(ids.page_id, force=True)
        snapshot = provider.fetch(ids)
        assert snapshot.status is PaymentStatus.PAID
        assert [capture.amount_minor for capture in snapshot.captures] == [4990]

    def test_two_captures_of_one_payment_are_two(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id)
        sandbox.control.pay_again(ids.page_id)
        captures = provider.fetch(ids).captures
        assert [capture.amount_minor for capture in captures] == [4990, 4990]
        assert len({capture.capture_id for capture in captures}) == 2

    @pytest.mark.parametrize(
        ("changed", "seen"),
        [({"amount": 100}, (100, "EUR")), ({"currency": "usd"}, (4990, "USD"))],
        ids=["amount", "currency"],
    )
    def test_another_amount_or_currency_comes_out_as_it_is(
        self,
        provider: GuardedProvider,
        sandbox: SandboxProcess,
        changed: dict[str, object],
        seen: tuple[int, str],
    ) -> None:
        ids = self.start(provider)
        sandbox.control.pay(ids.page_id, **changed)  # type: ignore[arg-type]
        [capture] = provider.fetch(ids).captures
        assert (capture.amount_minor, capture.currency) == seen

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

    def test_all_refunds_over_several_pages(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        intent = sandbox.control.pay(ids.page_id).payment_intent
        for _ in range(103):
            sandbox.control.refund(payment_intent=intent, amount=1)
        refunds = provider.fetch(ids).refunds
        assert len({refund.refund_id for refund in refunds}) == 103

    def test_a_paid_page_is_closed_already(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        ids = self.start(provider)
        intent = sandbox.control.pay(ids.page_id).payment_intent
        provider.close(ids, idempotency_key=new_key())
        provider.close(ProviderIds(intent_id=intent), idempotency_key=new_key())
        assert provider.fetch(ids).status is PaymentStatus.PAID

    def test_a_live_object_under_a_test_key_is_wrong_mode(
        self, provider: GuardedProvider, sandbox: SandboxProcess
    ) -> None:
        ids = self.start(provider)
        sandbox.control.patch(ids.page_id, livemode=True)
        with pytest.raises(WrongMode) as caught:
            provider.fetch(ids)
        assert caught.value.permanent
        assert isinstance(caught.value.answer, PaymentSnapshot)
        assert caught.value.answer.ids.page_id == ids.page_id

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

    def test_one_line_a_verb_and_nothing_of_the_shopper_in_it(
        self, provider: GuardedProvider, sandbox: SandboxProcess
    ) -> None:
        with structlog.testing.capture_logs() as lines:
            provider.start(start_request(), idempotency_key=new_key())
            with pytest.raises(InvalidRequest):
                provider.start(start_request(email="person@"), idempotency_key=new_key())
        first, second = lines
        assert (first["event"], first["provider"], first["verb"], first["outcome"]) == (
            "provider_call",
            "stripe",
            "start",
            "ok",
        )
        assert first["requests"] == 2
        assert first["request_id"].startswith("req_")
        assert second["outcome"] == "invalid_request"
        assert second["code"] == "email_invalid"
        for secret in ("person@", "shopper@", "sk_test", "pa_"):
            assert secret not in repr(lines)


class TestFaults:
    """The provider's bad days. Outcome unknown means: the same key again, or a look; never a new key."""

    @pytest.mark.parametrize("kind", ["drop", "html_502", "half_body", "truncated_json"])
    def test_an_answer_that_is_lost_after_the_effect_is_found_under_the_same_key(
        self, provider: GuardedProvider, sandbox: SandboxProcess, kind: str
    ) -> None:
        provider.account()
        request, key = start_request(), new_key()
        sandbox.control.fault(kind, method="POST", after=True)
        with pytest.raises(Unavailable) as caught:
            provider.start(request, idempotency_key=key)
        assert caught.value.outcome_unknown
        assert not caught.value.permanent
        again = provider.start(request, idempotency_key=key)
        [created] = [
            seen
            for seen in sandbox.control.requests(method="POST", path_prefix="/v1/checkout/sessions")
            if seen.idempotency_key == key and not seen.replayed
        ]
        assert created.fault
        assert provider.fetch(again.ids).reference == request.reference

    def test_a_replayed_500_stays_unknown(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        provider.account()
        request, key = start_request(), new_key()
        sandbox.control.fault("server_error", method="POST", after=True)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                provider.start(request, idempotency_key=key)
            assert caught.value.http_status == 500
            assert caught.value.outcome_unknown

    def test_too_many_requests(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        provider.account()
        sandbox.control.fault("rate_limit")
        with pytest.raises(RateLimited) as caught:
            provider.fetch(ProviderIds(page_id="cs_test_x"))
        assert not caught.value.permanent
        assert not caught.value.outcome_unknown

    def test_no_silent_retry_inside_the_sdk(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        provider.account()
        key = new_key()
        after = max(seen.id for seen in sandbox.control.requests())
        sandbox.control.fault("server_error", method="POST")
        with pytest.raises(Unavailable):
            provider.start(start_request(), idempotency_key=key)
        assert len(sandbox.control.requests(after_id=after)) == 1

    def test_a_request_that_still_runs_under_this_key(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        provider.account()
        request, key = start_request(), new_key()
        sandbox.control.fault("delay", method="POST", seconds=1.0)
        with total_deadline(0.3), pytest.raises(Unavailable):
            provider.start(request, idempotency_key=key)
        with pytest.raises(IdempotencyConflict) as caught:
            provider.start(request, idempotency_key=key)
        assert not caught.value.permanent
        assert caught.value.outcome_unknown
        time.sleep(1.0)
        provider.start(request, idempotency_key=key)

    def test_the_deadline_holds_over_all_requests_of_a_verb(self, sandbox: SandboxProcess) -> None:
        provider = GuardedProvider(adapter(base=sandbox.url), deadline_seconds=0.5)
        sandbox.control.fault("delay", seconds=0.4, times=9)
        with pytest.raises(Unavailable, match="no answer from Stripe"):
            provider.fetch(ProviderIds(page_id="cs_test_x"))

    def test_a_key_that_stripe_does_not_know(self, sandbox: SandboxProcess) -> None:
        stripe_adapter = adapter(base=sandbox.url)
        stripe_adapter._client._stripe._requestor._options.api_key = "sk_revoked"
        with pytest.raises(ConfigurationError) as caught:
            GuardedProvider(stripe_adapter).account()
        assert caught.value.http_status == 401
        assert not caught.value.permanent
        assert "sk_revoked" not in str(caught.value)

    def test_nobody_there(self) -> None:
        provider = GuardedProvider(adapter(base="http://127.0.0.1:9"))
        with pytest.raises(Unavailable) as caught:
            provider.account()
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

    def test_both_secrets_prove_while_one_replaces_the_other(self, tmp_path: Path) -> None:
        receiver = Receiver()
        process = SandboxProcess(state_dir=tmp_path, webhook_url=receiver.url).start()
        try:
            process.control.set_webhook(secrets=["whsec_old", "whsec_new"])
            provider = GuardedProvider(adapter(base=process.url))
            ids = provider.start(start_request(), idempotency_key=new_key()).ids
            provider.close(ids, idempotency_key=new_key())
            receiver.wait_for(lambda: "checkout.session.expired" in receiver.types())
        finally:
            process.stop()
            receiver.close()
        [received] = receiver.received
        for secrets in (("whsec_old",), ("whsec_new",), ("whsec_other", "whsec_new")):
            reader = adapter(base=process.url, webhook_secrets=secrets)
            seen = reader.verify(headers=received.headers, body=received.body, now=datetime.now(UTC))
            assert seen.ids.page_id == ids.page_id
        with pytest.raises(NotificationRejected):
            adapter(base=process.url, webhook_secrets=("whsec_other",)).verify(
                headers=received.headers, body=received.body, now=datetime.now(UTC)
            )
