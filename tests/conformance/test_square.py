"""What the Square adapter promises, against the sandbox in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.contract import (
    ConfigurationError,
    Declined,
    DeclineReason,
    EntryKind,
    EvidenceText,
    IdempotencyConflict,
    InvalidRequest,
    ListedStatus,
    Mode,
    PaymentStatus,
    PayoutStatus,
    PayRequest,
    Presentation,
    ProviderIds,
    RateLimited,
    RefundReason,
    RefundRequest,
    Started,
    StartRequest,
    Unavailable,
    UnknownObject,
)
from integrations.guard import GuardedProvider
from integrations.sandbox.square_control import SquareControl
from tests.conformance.square import adapter, new_key, running, settings, start_request
from tests.sandbox.process import SandboxProcess


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running Square sandbox that delivers no webhooks."""
    yield from running(tmp_path_factory.mktemp("square"))


@pytest.fixture
def square(process: SandboxProcess) -> SquareControl:
    control = SquareControl(process.url)
    control.reset()
    control.hold_refunds(hold=False)
    control.enable_events(enabled=False)
    return control


@pytest.fixture
def provider(process: SandboxProcess, square: SquareControl) -> GuardedProvider:
    return GuardedProvider(adapter(process.url))


def hosted(provider: GuardedProvider, **changes: Any) -> tuple[StartRequest, Started]:
    request = start_request(**changes)
    return request, provider.start(request, idempotency_key=new_key())


def embedded(provider: GuardedProvider) -> tuple[StartRequest, Started]:
    return hosted(provider, presentation=Presentation.EMBEDDED)


def pay_request(request: StartRequest, started: Started, token: str, **changes: Any) -> PayRequest:
    wanted: dict[str, Any] = {
        "ids": started.ids,
        "reference": request.reference,
        "amount_minor": request.amount_minor,
        "currency": request.currency,
        "order_number": request.order_number,
        "email": request.email,
        "token": token,
    }
    return PayRequest(**(wanted | changes))


def paid_by_token(provider: GuardedProvider) -> tuple[StartRequest, Started]:
    request, started = embedded(provider)
    provider.pay_with_token(pay_request(request, started, "cnon:card-nonce-ok"), idempotency_key=new_key())
    return request, started


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


class TestRefunds:
    def test_a_refund_carries_our_reference(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        square.hold_refunds()
        wanted = RefundRequest(
            reference="rf_" + "a" * 40,
            ids=started.ids,
            capture_id=capture.capture_id,
            amount_minor=1000,
            currency="EUR",
            reason=RefundReason.REQUESTED_BY_CUSTOMER,
        )
        key = new_key()
        made = provider.refund(wanted, idempotency_key=key)
        assert (made.status, made.reference, made.amount_minor) == ("pending", wanted.reference, 1000)
        assert provider.refund(wanted, idempotency_key=key).refund_id == made.refund_id
        square.move_refund(made.refund_id, status="COMPLETED")
        [told] = provider.fetch(started.ids).refunds
        assert (told.refund_id, told.status, told.capture_id) == (made.refund_id, "succeeded", capture.capture_id)
        square.move_refund(made.refund_id, status="FAILED")
        assert provider.fetch(started.ids).refunds[0].status == "failed"

    def test_more_than_was_taken_is_refused(self, provider: GuardedProvider) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        with pytest.raises(InvalidRequest) as refused:
            provider.refund(
                RefundRequest(
                    reference="rf_" + "b" * 40,
                    ids=started.ids,
                    capture_id=capture.capture_id,
                    amount_minor=4991,
                    currency="EUR",
                    reason=RefundReason.DUPLICATE,
                ),
                idempotency_key=new_key(),
            )
        assert refused.value.permanent

    def test_one_made_in_the_dashboard_is_told(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        square.refund_payment(capture.capture_id, amount=200, reason="Broken cup")
        [told] = provider.fetch(started.ids).refunds
        assert (told.amount_minor, told.reference, told.status) == (200, "", "succeeded")


class TestLists:
    def test_pages_go_on_behind_an_empty_one(self, provider: GuardedProvider, square: SquareControl) -> None:
        ids = [square.pay_link(hosted(provider)[1].ids.page_id).payment["id"] for _ in range(102)]
        now = datetime.now(UTC)
        found, sizes, cursor = [], [], ""
        while True:
            page = provider.list_captures(since=now - timedelta(hours=1), until=now, cursor=cursor)
            found += [each.capture_id for each in page.items]
            sizes.append(len(page.items))
            cursor = page.cursor
            if not cursor:
                break
        assert sizes == [100, 0, 2]
        assert sorted(found) == sorted(ids)

    def test_a_cursor_of_another_question_is_refused(self, provider: GuardedProvider, square: SquareControl) -> None:
        for _ in range(101):
            square.pay_link(hosted(provider)[1].ids.page_id)
        now = datetime.now(UTC)
        page = provider.list_captures(since=now - timedelta(hours=1), until=now)
        with pytest.raises(InvalidRequest):
            provider.list_captures(since=now - timedelta(hours=2), until=now, cursor=page.cursor)

    def test_declines_and_refunds_are_listed(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = hosted(provider)
        square.pay_link(started.ids.page_id, card="4000000000000002")
        payment = square.pay_link(started.ids.page_id).payment
        square.refund_payment(payment["id"], amount=90)
        now = datetime.now(UTC)
        listed = provider.list_captures(since=now - timedelta(hours=1), until=now).items
        assert [(each.status, each.refunded_minor) for each in listed] == [
            (ListedStatus.CAPTURED, 90),
            (ListedStatus.FAILED, 0),
        ]
        assert {each.reference for each in listed} == {request.reference}
        [refund] = provider.list_refunds(since=now - timedelta(hours=1), until=now).items
        assert (refund.capture_id, refund.amount_minor, refund.status) == (payment["id"], 90, "succeeded")

    def test_lists_lag(self, provider: GuardedProvider, square: SquareControl) -> None:
        square.configure(list_lag_seconds=30)
        payment = square.pay_link(hosted(provider)[1].ids.page_id).payment
        now = datetime.now(UTC)
        assert provider.list_captures(since=now - timedelta(hours=1), until=now).items == ()
        assert provider.find_capture(payment["id"]).amount_minor == 4990

    def test_events_are_searched_once_the_search_is_on(self, provider: GuardedProvider, square: SquareControl) -> None:
        since = datetime.now(UTC) - timedelta(hours=1)
        square.pay_link(hosted(provider)[1].ids.page_id)
        assert provider.list_events(since=since).items == ()  # enabled by this
        request, started = hosted(provider)
        square.pay_link(started.ids.page_id)
        found = [each.notification for each in provider.list_events(since=since, types=("payment.created",)).items]
        assert [(each.reference, each.ids.intent_id) for each in found] == [(request.reference, started.ids.intent_id)]
        assert all(each.relevant and each.mode is Mode.TEST for each in found)


class TestDisputes:
    def test_from_opening_to_its_end(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        made = square.dispute_payment(capture.capture_id, inquiry=True)
        [told] = provider.fetch(started.ids).disputes
        assert (told.status, told.capture_id, told.movements) == ("inquiry", capture.capture_id, ())
        square.decide_dispute(made["id"], state="EVIDENCE_REQUIRED")
        [told] = provider.fetch(started.ids).disputes
        assert (told.status, told.evidence_submitted) == ("open", False)
        assert [(each.kind, each.amount_minor) for each in told.movements] == [("withdrawn", 4990)]

        texts = {EvidenceText.SHIPPING_TRACKING_NUMBER: "1Z999", EvidenceText.STATEMENT: "Delivered."}
        provider.stage_evidence(made["id"], texts, idempotency_key=new_key())
        provider.stage_evidence(made["id"], texts, idempotency_key=new_key())
        changed = {**texts, EvidenceText.STATEMENT: "Delivered and signed for."}
        provider.submit_evidence(made["id"], changed, idempotency_key=new_key())
        held = [square.get(each)["evidence_text"] for each in square.get(made["id"])["evidence_ids"]]
        assert sorted(held) == ["1Z999", "Delivered and signed for."]
        [told] = provider.fetch(started.ids).disputes
        assert (told.status, told.evidence_submitted) == ("under_review", True)
        with pytest.raises(InvalidRequest):
            provider.submit_evidence(made["id"], changed, idempotency_key=new_key())

        square.decide_dispute(made["id"], state="WON")
        [told] = provider.fetch(started.ids).disputes
        assert [each.kind for each in told.movements] == ["withdrawn", "reinstated"]

    def test_accepted_is_lost(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        made = square.dispute_payment(capture.capture_id)
        provider.accept_dispute(made["id"], idempotency_key=new_key())
        assert provider.fetch(started.ids).disputes[0].status == "lost"
        with pytest.raises(InvalidRequest):
            provider.accept_dispute(made["id"], idempotency_key=new_key())

    def test_too_much_text_is_refused_before_anything_is_sent(
        self, provider: GuardedProvider, square: SquareControl
    ) -> None:
        with pytest.raises(InvalidRequest):
            provider.stage_evidence("D1", {EvidenceText.STATEMENT: "x" * 501}, idempotency_key=new_key())
        assert square.requests(path_prefix="/v2/disputes") == []


class TestPayouts:
    def test_entries_add_up_and_name_their_causes(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        refund = square.refund_payment(capture.capture_id, amount=90)
        _, other = paid_by_token(provider)
        [disputed] = provider.fetch(other.ids).captures
        square.dispute_payment(disputed.capture_id)
        square.adjust_balance(-7)
        made = square.make_payout()

        [payout] = provider.list_payouts(since=datetime.now(UTC) - timedelta(hours=1)).items
        assert (payout.payout_id, payout.status) == (made["id"], PayoutStatus.IN_TRANSIT)
        entries = provider.payout_entries(payout.payout_id).items
        assert sum(each.net_minor for each in entries) == payout.amount_minor == made["amount_money"]["amount"]
        kinds = {each.kind: each for each in entries if each.source_id != disputed.capture_id}
        assert (kinds[EntryKind.PAYMENT].source_id, kinds[EntryKind.PAYMENT].fee_minor) == (capture.capture_id, 175)
        assert (kinds[EntryKind.REFUND].source_id, kinds[EntryKind.REFUND].amount_minor) == (refund["id"], -90)
        [movement] = provider.fetch(other.ids).disputes[0].movements
        assert kinds[EntryKind.DISPUTE].entry_id == movement.entry_id
        assert kinds[EntryKind.ADJUSTMENT].amount_minor == -7

        square.move_payout(made["id"], status="PAID")
        assert provider.fetch_payout(made["id"]).status is PayoutStatus.PAID


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
