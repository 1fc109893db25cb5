"""What the Square adapter promises of a payment, against the sandbox in its own process."""

from __future__ import annotations

import pytest

from integrations.contract import (
    ConfigurationError,
    Declined,
    DeclineReason,
    IdempotencyConflict,
    InvalidRequest,
    Mode,
    PaymentStatus,
    ProviderIds,
    RateLimited,
    Unavailable,
    UnknownObject,
)
from integrations.guard import GuardedProvider
from integrations.sandbox.square_control import SquareControl
from tests.conformance.square import adapter, new_key, settings, start_request
from tests.conformance.square.payments import embedded, hosted, paid_by_token, pay_request
from tests.sandbox.process import SandboxProcess


class TestHosted:
    def test_a_link_waits_for_the_shopper(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = hosted(provider)
        assert started.redirect_url.startswith("http")
        assert started.mode is Mode.TEST
        assert started.account == provider.account() == square.account()["merchant_id"]
        assert started.expires_at is None

        snapshot = provider.fetch(started.ids)
        assert (snapshot.status, snapshot.page_open) == (PaymentStatus.PENDING, True)
        assert (snapshot.amount_minor, snapshot.currency) == (4990, "EUR")
        assert snapshot.reference == request.reference
        assert snapshot.ids == started.ids
        assert snapshot.page_url == started.redirect_url
        assert snapshot.captures == ()

    def test_paid_on_its_page(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = hosted(provider)
        payment = square.pay_link(started.ids.page_id).payment
        snapshot = provider.fetch(started.ids)
        assert (snapshot.status, snapshot.page_open) == (PaymentStatus.PAID, False)
        [capture] = snapshot.captures
        assert (capture.capture_id, capture.amount_minor, capture.currency) == (payment["id"], 4990, "EUR")
        assert capture.intent_id == started.ids.intent_id
        assert capture.fee_minor == 175
        assert snapshot.reference == request.reference
        assert payment["note"] == request.reference

    def test_a_link_that_was_paid_twice_is_two_captures(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = hosted(provider)
        square.pay_link(started.ids.page_id)
        square.pay_link(started.ids.page_id)
        assert [each.amount_minor for each in provider.fetch(started.ids).captures] == [4990, 4990]

    def test_another_amount_is_told_as_it_is(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = hosted(provider)
        square.pay_link(started.ids.page_id, amount=1)
        assert [each.amount_minor for each in provider.fetch(started.ids).captures] == [1]

    def test_the_fee_comes_later(self, provider: GuardedProvider, square: SquareControl) -> None:
        square.configure(balance_delay_seconds=60)
        _, started = hosted(provider)
        square.pay_link(started.ids.page_id)
        assert provider.fetch(started.ids).captures[0].fee_minor is None
        square.advance_clock(seconds=61)
        assert provider.fetch(started.ids).captures[0].fee_minor == 175

    def test_closing_deletes_the_link_and_cancels_the_order(
        self, provider: GuardedProvider, square: SquareControl
    ) -> None:
        _, started = hosted(provider)
        provider.close(started.ids, idempotency_key=new_key())
        provider.close(started.ids, idempotency_key=new_key())
        snapshot = provider.fetch(started.ids)
        assert (snapshot.status, snapshot.page_open, snapshot.page_url) == (PaymentStatus.CANCELLED, False, "")
        # Money that comes all the same is told: it is late money.
        square.pay_link(started.ids.page_id)
        assert provider.fetch(started.ids).status is PaymentStatus.PAID

    def test_closing_what_is_paid_changes_nothing(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = hosted(provider)
        square.pay_link(started.ids.page_id)
        provider.close(started.ids, idempotency_key=new_key())
        assert provider.fetch(started.ids).status is PaymentStatus.PAID

    def test_the_same_key_gives_the_same_link(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, key = start_request(), new_key()
        first = provider.start(request, idempotency_key=key)
        assert provider.start(request, idempotency_key=key).ids == first.ids
        with pytest.raises(IdempotencyConflict) as conflict:
            provider.start(start_request(), idempotency_key=key)
        assert conflict.value.permanent

    def test_nothing_but_what_a_payment_needs_is_sent(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, _ = hosted(provider)
        [sent] = square.requests(method="POST", path_prefix="/v2/online-checkout/")
        assert sent.params["order"] == {
            "location_id": "LSANDBOX00001",
            "reference_id": request.reference,
            "line_items": [
                {"name": "Teapot", "quantity": "1", "base_price_money": {"amount": 3990, "currency": "EUR"}},
                {"name": "Cup", "quantity": "2", "base_price_money": {"amount": 500, "currency": "EUR"}},
            ],
        }
        assert sent.params["checkout_options"]["allow_tipping"] is False
        assert set(sent.params) == {
            "idempotency_key", "description", "order", "checkout_options", "payment_note", "pre_populated_data"
        }  # fmt: skip
        assert sent.api_version == "2026-09-16"


class TestEmbedded:
    def test_an_order_waits_for_a_token(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = embedded(provider)
        assert (started.redirect_url, started.ids.intent_id) == ("", "")
        snapshot = provider.fetch(started.ids)
        assert (snapshot.status, snapshot.page_open, snapshot.page_url) == (PaymentStatus.PENDING, True, "")
        # No intent: so no token was charged, which a call of unknown outcome is told by.
        assert snapshot.ids == started.ids
        form = provider.form(started.ids)
        assert form.takes_token
        assert form.scripts == (f"{square.url}/v1/square.js",)
        assert form.parameters == {
            "application_id": "sandbox-sq0idb-sandbox",
            "location_id": "LSANDBOX00001",
            "amount": "49.90",
            "currency": "EUR",
        }

        ids = provider.pay_with_token(pay_request(request, started, square.token()), idempotency_key=new_key())
        assert ids.page_id == started.ids.page_id
        for known in (ids, started.ids, ProviderIds(intent_id=ids.intent_id)):
            snapshot = provider.fetch(known)
            assert (snapshot.status, snapshot.page_open) == (PaymentStatus.PAID, False)
            assert snapshot.ids == ids
        [capture] = snapshot.captures
        assert capture.intent_id == capture.capture_id == ids.intent_id
        listed = provider.find_capture(capture.capture_id)
        assert (listed.reference, listed.captured_at) == (request.reference, capture.captured_at)

    def test_a_lost_answer_is_asked_for_again_under_the_same_key(
        self, provider: GuardedProvider, square: SquareControl
    ) -> None:
        request, started = embedded(provider)
        wanted, key = pay_request(request, started, square.token()), new_key()
        square.fault("drop", path_prefix="/v2/payments", after=True)
        with pytest.raises(Unavailable) as lost:
            provider.pay_with_token(wanted, idempotency_key=key)
        assert lost.value.outcome_unknown
        provider.pay_with_token(wanted, idempotency_key=key)
        assert [effect["captured_minor"] for effect in square.money()] == [4990]

    @pytest.mark.parametrize(
        ("token", "reason"),
        [
            ("cnon:card-nonce-declined", DeclineReason.DO_NOT_HONOR),
            ("cnon:card-nonce-rejected-cvv", DeclineReason.INCORRECT_CVC),
            ("cnon:card-nonce-rejected-postalcode", DeclineReason.INCORRECT_ADDRESS),
            ("cnon:card-nonce-rejected-expiration", DeclineReason.EXPIRED_CARD),
            ("cnon:card-nonce-requires-verification", DeclineReason.AUTHENTICATION_REQUIRED),
            ("cnon:never-given-out", DeclineReason.INVALID_CARD),
            ("ccof:somebody-elses-card", DeclineReason.INVALID_CARD),
            ("../orders", DeclineReason.INVALID_CARD),
        ],
    )
    def test_a_decline_says_why(
        self, provider: GuardedProvider, square: SquareControl, token: str, reason: DeclineReason
    ) -> None:
        request, started = embedded(provider)
        wanted, key = pay_request(request, started, token), new_key()
        for _ in range(2):  # asked again under its key, it is the same decline
            with pytest.raises(Declined) as declined:
                provider.pay_with_token(wanted, idempotency_key=key)
            assert declined.value.decline.reason is reason
        assert provider.fetch(started.ids).captures == ()
        assert [each for each in square.money() if each["captured_minor"]] == []

    def test_the_proof_of_the_bank_goes_with_the_token(self, provider: GuardedProvider) -> None:
        request, started = embedded(provider)
        wanted = pay_request(request, started, "cnon:card-nonce-requires-verification", proof="verf:passed")
        provider.pay_with_token(wanted, idempotency_key=new_key())
        assert provider.fetch(started.ids).status is PaymentStatus.PAID

    def test_a_token_pays_once(self, provider: GuardedProvider, square: SquareControl) -> None:
        token = square.token()
        for number in range(2):
            request, started = embedded(provider)
            wanted = pay_request(request, started, token)
            if number:
                with pytest.raises(Declined):
                    provider.pay_with_token(wanted, idempotency_key=new_key())
            else:
                provider.pay_with_token(wanted, idempotency_key=new_key())
        assert sum(effect["captured_minor"] for effect in square.money()) == 4990

    def test_a_paid_order_takes_no_second_token(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = paid_by_token(provider)
        with pytest.raises(InvalidRequest):
            provider.pay_with_token(pay_request(request, started, square.token()), idempotency_key=new_key())
        assert [effect["captured_minor"] for effect in square.money()] == [4990]

    def test_another_amount_than_the_orders_is_refused(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = embedded(provider)
        wanted = pay_request(request, started, square.token(), amount_minor=1)
        with pytest.raises(InvalidRequest):
            provider.pay_with_token(wanted, idempotency_key=new_key())

    def test_closing_cancels_the_order(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = embedded(provider)
        provider.close(started.ids, idempotency_key=new_key())
        provider.close(started.ids, idempotency_key=new_key())
        assert provider.fetch(started.ids).status is PaymentStatus.CANCELLED
        with pytest.raises(InvalidRequest):
            provider.pay_with_token(pay_request(request, started, square.token()), idempotency_key=new_key())


class TestRefused:
    def test_another_currency_than_the_locations(self, provider: GuardedProvider, process: SandboxProcess) -> None:
        with pytest.raises(InvalidRequest):
            provider.start(start_request(currency="USD"), idempotency_key=new_key())
        wrong = GuardedProvider(adapter(process.url, currency="USD"))
        with pytest.raises(ConfigurationError, match="SQUARE_CURRENCY"):
            wrong.start(start_request(currency="USD"), idempotency_key=new_key())

    def test_a_reference_that_does_not_fit(self, provider: GuardedProvider) -> None:
        with pytest.raises(InvalidRequest, match="reference"):
            provider.start(start_request(reference="x" * 41), idempotency_key=new_key())

    @pytest.mark.parametrize("bad", ["", "../payments", "a/b", "a?b", "ä"])
    def test_what_is_no_id_never_enters_a_path(
        self, provider: GuardedProvider, square: SquareControl, bad: str
    ) -> None:
        provider.account()
        known = len(square.requests())
        for ask in (
            lambda: provider.fetch(ProviderIds(intent_id=bad)),
            lambda: provider.fetch(ProviderIds(page_id=bad)),
            lambda: provider.find_capture(bad),
            lambda: provider.fetch_payout(bad),
            lambda: provider.payout_entries(bad),
            lambda: provider.accept_dispute(bad, idempotency_key=new_key()),
        ):
            with pytest.raises(InvalidRequest):
                ask()
        assert len(square.requests()) == known

    def test_what_square_does_not_know(self, provider: GuardedProvider) -> None:
        for ids in (ProviderIds(intent_id="NOPE"), ProviderIds(page_id="NOPE")):
            with pytest.raises(UnknownObject):
                provider.fetch(ids)
            with pytest.raises(UnknownObject):
                provider.close(ids, idempotency_key=new_key())

    def test_a_token_of_nobody(self, process: SandboxProcess) -> None:
        wrong = GuardedProvider(adapter(process.url, access_token="sq0atp-" + "x" * 22))
        with pytest.raises(ConfigurationError):
            wrong.account()


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "raised"),
        [
            ("rate_limit", RateLimited),
            ("server_error", Unavailable),
            ("html_502", Unavailable),
            ("drop", Unavailable),
            ("half_body", Unavailable),
            ("truncated_json", Unavailable),
        ],
    )
    def test_each_fault_is_told_apart_and_asked_once(
        self, provider: GuardedProvider, square: SquareControl, kind: str, raised: type[Exception]
    ) -> None:
        _, started = hosted(provider)
        known = len(square.requests())
        square.fault(kind, path_prefix="/v2/orders")
        with pytest.raises(raised):
            provider.fetch(started.ids)
        assert len(square.requests()) == known + 1
        assert provider.fetch(started.ids).page_open

    def test_an_answer_of_another_shape_is_none(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = hosted(provider)
        square.patch(started.ids.intent_id, total_money={"amount": "4990", "currency": "EUR"})
        with pytest.raises(Unavailable):
            provider.fetch(started.ids)


def test_no_setting_of_the_sdk_is_taken_from_the_environment(
    process: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUARE_TOKEN", "x" * 20)
    wanted = settings(process.url)
    made = adapter(process.url)
    assert made.mode is Mode.TEST
    assert str(wanted["access_token"]) not in repr(made)
    sdk = made._client.sdk._client_wrapper
    assert sdk.get_base_url() == process.url
    assert sdk.get_headers()["Authorization"] == f"Bearer {wanted['access_token']}"
