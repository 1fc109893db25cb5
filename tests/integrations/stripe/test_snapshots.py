"""What Stripe says of a payment, in our words: every combination of session and intent, and answers that are none."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.contract import Decline, DeclineReason, Mode, PaymentStatus, ProviderIds, Unavailable
from integrations.providers.stripe.snapshots import Payment, snapshot, started

AT = 1795262400
WAITING = ("", "requires_payment_method", "requires_confirmation")
INTENT = (*WAITING, "requires_action", "processing", "requires_capture", "canceled", "succeeded")
SESSION = ("open", "complete", "expired")
PAID = ("unpaid", "paid", "no_payment_required")


def session(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cs_1",
        "object": "checkout.session",
        "livemode": False,
        "status": "open",
        "payment_status": "unpaid",
        "amount_total": 4990,
        "currency": "eur",
        "client_reference_id": "pa_1",
        "metadata": {"attempt": "pa_1"},
        "url": "https://checkout.stripe.com/c/pay/cs_1",
        "expires_at": AT,
        **changes,
    }


def intent(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "livemode": False,
        "status": "succeeded",
        "amount": 4990,
        "currency": "eur",
        "metadata": {"attempt": "pa_1"},
        "last_payment_error": None,
        **changes,
    }


def charge(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "object": "charge",
        "paid": True,
        "captured": True,
        "status": "succeeded",
        "amount_captured": 4990,
        "currency": "eur",
        "created": AT,
        "balance_transaction": None,
        **changes,
    }


def look(session: dict[str, Any] | None = None, intent: dict[str, Any] | None = None, **more: Any) -> Any:
    return snapshot(Payment(session=session, intent=intent, **more), account="acct_1")


BY_INTENT = {
    "requires_capture": PaymentStatus.AUTHORIZED,
    "canceled": PaymentStatus.CANCELLED,
    "processing": PaymentStatus.PENDING,
}
BY_SESSION = {
    "open": PaymentStatus.PENDING,
    "complete": PaymentStatus.FAILED,
    "expired": PaymentStatus.CANCELLED,
}


def expected(session_status: str, payment_status: str, intent_status: str, captured: bool) -> PaymentStatus:
    """The rule once more, as a list of cases to be read."""
    if intent_status == "succeeded":
        return PaymentStatus.PAID if captured and payment_status == "paid" else PaymentStatus.PENDING
    if intent_status == "requires_action" and session_status != "expired":
        return PaymentStatus.REQUIRES_ACTION
    return BY_INTENT.get(intent_status) or BY_SESSION[session_status]


@pytest.mark.parametrize(
    ("session_status", "payment_status", "intent_status", "captured"),
    list(itertools.product(SESSION, PAID, INTENT, (True, False))),
)
def test_the_whole_grid(session_status: str, payment_status: str, intent_status: str, captured: bool) -> None:
    seen = look(
        session(status=session_status, payment_status=payment_status),
        intent(status=intent_status) if intent_status else None,
        charges=[charge()] if captured else [],
    )
    assert seen.status is expected(session_status, payment_status, intent_status, captured)
    assert seen.page_open is (session_status == "open" and intent_status not in ("canceled", "succeeded"))
    assert len(seen.captures) == captured


def test_paid_needs_three_witnesses() -> None:
    """The session says paid, the intent succeeded, and a charge is captured; each alone moves nothing."""
    paid = session(status="complete", payment_status="paid")
    assert look(paid, intent(), charges=[charge()]).status is PaymentStatus.PAID
    assert look(paid, intent(), charges=[]).status is PaymentStatus.PENDING
    assert look(session(status="complete"), intent(), charges=[charge()]).status is PaymentStatus.PENDING
    assert look(paid, intent(status="processing"), charges=[charge()]).status is PaymentStatus.PENDING


@pytest.mark.parametrize(
    "change",
    [{"paid": False}, {"captured": False}, {"status": "pending"}, {"status": "failed"}, {"amount_captured": 0}],
)
def test_a_charge_that_moved_no_money_is_no_capture(change: dict[str, Any]) -> None:
    seen = look(session(status="complete", payment_status="paid"), intent(), charges=[charge(**change)])
    assert seen.captures == ()
    assert seen.status is PaymentStatus.PENDING


@pytest.mark.parametrize(
    ("status", "captured", "canonical"),
    [
        ("succeeded", True, PaymentStatus.PAID),
        ("succeeded", False, PaymentStatus.PENDING),
        ("requires_capture", False, PaymentStatus.AUTHORIZED),
        ("requires_action", False, PaymentStatus.REQUIRES_ACTION),
        ("processing", False, PaymentStatus.PENDING),
        ("requires_payment_method", False, PaymentStatus.PENDING),
        ("canceled", False, PaymentStatus.CANCELLED),
    ],
)
def test_an_intent_without_a_session(status: str, captured: bool, canonical: PaymentStatus) -> None:
    seen = look(None, intent(status=status), charges=[charge()] if captured else [])
    assert seen.status is canonical
    assert not seen.page_open
    assert (seen.ids, seen.amount_minor) == (ProviderIds(intent_id="pi_1"), 4990)


class TestReferences:
    def test_one_reference(self) -> None:
        assert look(session(), intent()).reference == "pa_1"
        assert look(session(metadata={}), None).reference == "pa_1"
        assert look(session(client_reference_id=None), None).reference == "pa_1"
        assert look(None, intent()).reference == "pa_1"

    def test_none(self) -> None:
        assert look(session(metadata={}, client_reference_id=None), intent(metadata={})).reference == ""
        assert look(None, intent(metadata=None)).reference == ""

    def test_two_that_differ_match_neither(self) -> None:
        assert look(session(), intent(metadata={"attempt": "pa_2"})).reference == "pa_1|pa_2"
        assert look(session(client_reference_id="pa_3"), None).reference == "pa_1|pa_3"


class TestMoney:
    def test_fee_and_time_come_from_the_balance(self) -> None:
        entry = {"object": "balance_transaction", "fee": 95, "currency": "eur", "created": AT + 60}
        [capture] = look(None, intent(), charges=[charge(balance_transaction=entry)]).captures
        assert capture.fee_minor == 95
        assert capture.captured_at == datetime.fromtimestamp(AT + 60, UTC)

    def test_a_fee_in_another_currency_is_not_told(self) -> None:
        entry = {"object": "balance_transaction", "fee": 95, "currency": "usd", "created": AT}
        [capture] = look(None, intent(), charges=[charge(balance_transaction=entry)]).captures
        assert capture.fee_minor is None

    def test_a_partial_capture_counts_what_was_captured(self) -> None:
        [capture] = look(None, intent(), charges=[charge(amount_captured=1000)]).captures
        assert capture.amount_minor == 1000

    def test_stripes_units_are_not_ours(self) -> None:
        seen = look(
            session(amount_total=70000, currency="isk"),
            None,
            charges=[],
            refunds=[{"id": "re_1", "amount": 70000, "currency": "isk", "status": "succeeded", "charge": "ch_1"}],
        )
        assert (seen.amount_minor, seen.currency) == (700, "ISK")
        assert seen.refunds[0].amount_minor == 700


class TestRefundsAndDisputes:
    @pytest.mark.parametrize(
        ("told", "status"),
        [
            ("succeeded", "succeeded"),
            ("pending", "pending"),
            ("requires_action", "pending"),
            (None, "pending"),
            ("failed", "failed"),
            ("canceled", "failed"),
        ],
    )
    def test_refunds(self, told: str | None, status: str) -> None:
        refund = {
            "id": "re_1",
            "object": "refund",
            "amount": 100,
            "currency": "eur",
            "status": told,
            "charge": {"id": "ch_1"},
            "metadata": {"refund": "rf_1"},
        }
        [seen] = look(None, intent(), refunds=[refund]).refunds
        assert (seen.status, seen.capture_id, seen.reference, seen.amount_minor) == (status, "ch_1", "rf_1", 100)

    @pytest.mark.parametrize(
        ("told", "status"),
        [
            ("warning_needs_response", "inquiry"),
            ("warning_under_review", "inquiry"),
            ("warning_closed", "closed"),
            ("prevented", "closed"),
            ("needs_response", "open"),
            ("under_review", "under_review"),
            ("won", "won"),
            ("lost", "lost"),
        ],
    )
    def test_disputes(self, told: str, status: str) -> None:
        dispute = {
            "id": "dp_1",
            "object": "dispute",
            "amount": 4990,
            "currency": "eur",
            "status": told,
            "charge": "ch_1",
            "evidence_details": {"due_by": AT},
        }
        [seen] = look(None, intent(), disputes=[dispute]).disputes
        assert (seen.status, seen.respond_by) == (status, datetime.fromtimestamp(AT, UTC))

    @pytest.mark.parametrize("kind", ["refunds", "disputes"])
    def test_a_status_nobody_knows_is_no_answer(self, kind: str) -> None:
        thing = {"id": "x_1", "object": "thing", "amount": 1, "currency": "eur", "status": "new", "charge": "ch_1"}
        with pytest.raises(Unavailable, match="no readable status"):
            look(None, intent(), **{kind: [thing]})


class TestAnswersThatAreNone:
    """A shape we do not know is no news: outcome unknown, look again. The sentence names the field, not its value."""

    @pytest.mark.parametrize(
        "change",
        [
            {"status": None},
            {"status": "paused"},
            {"payment_status": "maybe"},
            {"payment_status": None},
            {"amount_total": None},
            {"amount_total": "4990"},
            {"amount_total": 49.9},
            {"amount_total": True},
            {"currency": None},
            {"currency": 7},
            {"livemode": None},
            {"livemode": "false"},
            {"id": None},
            {"id": ""},
            {"expires_at": "soon"},
            {"expires_at": -1},
            {"expires_at": 10**15},
            {"url": ["x"]},
            {"url": "javascript:alert(1)"},
            {"url": "http://checkout.stripe.com/c/pay/cs_1"},
            {"url": "http://127.0.0.1.evil.example/"},
            {"url": "https://checkout.stripe.com/\r\nSet-Cookie: a=b"},
            {"client_reference_id": {"a": 1}},
        ],
    )
    def test_a_session(self, change: dict[str, Any]) -> None:
        with pytest.raises(Unavailable) as caught:
            look(session(**change), None)
        assert caught.value.outcome_unknown
        assert caught.value.code == "shape"

    @pytest.mark.parametrize(
        "change", [{"status": "dreaming"}, {"status": None}, {"id": 7}, {"last_payment_error": "no"}]
    )
    def test_an_intent(self, change: dict[str, Any]) -> None:
        with pytest.raises(Unavailable):
            look(session(), intent(**change))

    @pytest.mark.parametrize(
        "change", [{"id": None}, {"currency": None}, {"created": None}, {"balance_transaction": "txn_1"}]
    )
    def test_a_charge(self, change: dict[str, Any]) -> None:
        with pytest.raises(Unavailable):
            look(session(), intent(), charges=[charge(**change)])

    def test_neither_session_nor_intent(self) -> None:
        with pytest.raises(Unavailable):
            look(None, None)

    def test_a_page_without_address(self) -> None:
        assert started(session(payment_intent=None), account="acct_1").redirect_url
        with pytest.raises(Unavailable):
            started(session(url=None), account="acct_1")


def test_the_decline_is_kept_beside_the_status() -> None:
    refused = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "of no concern"}
    seen = look(session(), intent(status="requires_payment_method", last_payment_error=refused))
    assert seen.status is PaymentStatus.PENDING
    assert seen.decline.reason is DeclineReason.INSUFFICIENT_FUNDS
    assert seen.mode is Mode.TEST


def test_a_review_at_stripe_is_told_while_nothing_is_captured() -> None:
    def in_review(**changes: Any) -> bool:
        told = {"status": "requires_capture", "review": "prv_1", **changes}
        return snapshot(Payment(session=None, intent=intent(**told)), account="acct_1").in_review

    assert in_review()
    assert in_review(review={"id": "prv_1"}, status="processing")
    assert not in_review(review=None)
    assert not in_review(status="canceled")


def declined_charge(**changes: Any) -> dict[str, Any]:
    return charge(
        **{
            "paid": False,
            "captured": False,
            "status": "failed",
            "amount_captured": 0,
            "failure_code": "card_declined",
            "outcome": {"type": "issuer_declined", "reason": "insufficient_funds"},
            "payment_method_details": {"type": "card", "card": {"fingerprint": "Xt5EWLLDS7FJjR1c", "last4": "9995"}},
            **changes,
        }
    )


def test_each_decided_charge_is_a_try() -> None:
    seen = look(session(), intent(status="requires_payment_method"), charges=[declined_charge(), charge(id="ch_2")])
    refused, taken = seen.tries
    assert (refused.try_id, refused.succeeded, refused.method) == ("ch_1", False, "card")
    assert refused.decline == Decline(reason=DeclineReason.INSUFFICIENT_FUNDS, provider_code="insufficient_funds")
    assert refused.fingerprint == "Xt5EWLLDS7FJjR1c"
    assert (taken.succeeded, taken.decline, taken.method, taken.fingerprint) == (True, None, "", "")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "pending"},
        {"status": 7},
        {"id": None},
        {"created": -1},
        {"outcome": "text"},
        {"payment_method_details": []},
        {"payment_method_details": {"type": ["card"]}},
        {"payment_method_details": {"type": "card", "card": "text"}},
        {"payment_method_details": {"type": "card", "card": {"fingerprint": 4}}},
    ],
)
def test_a_charge_that_cannot_be_read_is_no_try_and_no_trouble(change: dict[str, Any]) -> None:
    assert look(session(), intent(status="processing"), charges=[declined_charge(**change)]).tries == ()


@pytest.mark.parametrize("change", [{"outcome": None, "failure_code": None}, {"outcome": {"reason": {"x": 1}}}])
def test_a_refusal_without_a_known_reason_is_unknown_or_its_code(change: dict[str, Any]) -> None:
    [told] = look(session(), intent(status="processing"), charges=[declined_charge(**change)]).tries
    assert told.decline is not None
    assert told.decline.reason in (DeclineReason.UNKNOWN, DeclineReason.DO_NOT_HONOR)


@pytest.mark.parametrize("text", ["pa_1\x00", "pa_1\ud800"])
def test_what_no_database_stores_is_no_reference_and_no_id(text: str) -> None:
    """It would undo the settlement of all else that was told, at every look anew."""
    told = Payment(session=session(metadata={"attempt": text}, client_reference_id=None), intent=None)
    assert snapshot(told, account="acct_1").reference == ""
    with pytest.raises(Unavailable):
        snapshot(Payment(session=session(id=text), intent=None), account="acct_1")
    with pytest.raises(Unavailable):
        snapshot(Payment(session=session(client_reference_id=text), intent=None), account="acct_1")
