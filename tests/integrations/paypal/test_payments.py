"""One payment at PayPal through the official SDK against the stand-in: order, approval, our capture, what goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.contract import (
    Declined,
    DeclineReason,
    IdempotencyConflict,
    InvalidRequest,
    Mode,
    NextStep,
    PaymentStatus,
    Presentation,
    ProviderIds,
    RefundReason,
    RefundRequest,
    Unavailable,
    UnknownObject,
)
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.sandbox.paypal.captures import fee_of
from integrations.sandbox.paypal.control import PayPalControl
from tests.integrations.paypal.conftest import capture_request, make_adapter, new_key, start_request
from tests.sandbox.process import SandboxProcess


def approved(adapter: PayPalProvider, control: PayPalControl, **outcome: str) -> tuple[ProviderIds, object]:
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id, **outcome)
    return ids, capture_request(ids, asked)


def paid(adapter: PayPalProvider, control: PayPalControl, **asking: object) -> ProviderIds:
    asked = start_request(**asking)  # type: ignore[arg-type]
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    return ids


def test_an_order_is_approved_then_captured_by_us(adapter: PayPalProvider, control: PayPalControl) -> None:
    asked = start_request()
    started = adapter.start(asked, idempotency_key=new_key())
    assert started.redirect_url.startswith(control.url + "/checkoutnow?token=")
    assert (started.mode, started.account) == (Mode.TEST, adapter.account())

    open_page = adapter.fetch(started.ids)
    assert (open_page.status, open_page.page_open, open_page.next_step) == (PaymentStatus.PENDING, True, NextStep.NONE)
    assert (open_page.reference, open_page.amount_minor, open_page.currency) == (asked.reference, 4990, "EUR")
    assert open_page.page_url == started.redirect_url

    control.approve(started.ids.page_id)
    waiting = adapter.fetch(started.ids)
    assert (waiting.status, waiting.next_step) == (PaymentStatus.PENDING, NextStep.CAPTURE)
    assert control.effects()[0].captured_minor == 0  # approval moves no money

    adapter.capture(capture_request(started.ids, asked), idempotency_key=new_key())
    done = adapter.fetch(started.ids)
    assert (done.status, done.page_open, done.next_step) == (PaymentStatus.PAID, False, NextStep.NONE)
    [capture] = done.captures
    assert (capture.amount_minor, capture.currency, capture.fee_minor) == (4990, "EUR", fee_of(4990, "EUR"))
    assert control.effects()[0].captured_minor == 4990


def test_only_what_the_docstring_says_is_sent(adapter: PayPalProvider, control: PayPalControl) -> None:
    adapter.start(start_request(reference="pa_1"), idempotency_key=new_key())
    [sent] = control.requests(method="POST", path_prefix="/v2/checkout/orders")
    assert sent.params["purchase_units"][0].keys() == {
        "reference_id", "custom_id", "description", "amount", "items",
    }  # fmt: skip
    assert "shopper@example.com" not in str(sent.params)


def test_the_same_key_moves_money_once(adapter: PayPalProvider, control: PayPalControl) -> None:
    _, request = approved(adapter, control)
    key = new_key()
    for _ in range(3):
        adapter.capture(request, idempotency_key=key)  # type: ignore[arg-type]
    assert control.effects()[0].captured_minor == 4990
    assert [one.replayed for one in control.requests(method="POST") if one.path.endswith("/capture")] == [
        False, True, True,
    ]  # fmt: skip


def test_another_key_cannot_capture_twice(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, request = approved(adapter, control)
    adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest) as refused:
        adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    assert refused.value.code == "ORDER_ALREADY_CAPTURED"
    assert len(adapter.fetch(ids).captures) == 1


def test_a_key_used_for_another_order_is_a_conflict(adapter: PayPalProvider) -> None:
    key = new_key()
    adapter.start(start_request(amount_minor=100), idempotency_key=key)
    with pytest.raises(IdempotencyConflict) as conflict:
        adapter.start(start_request(amount_minor=200), idempotency_key=key)
    assert conflict.value.permanent


@pytest.mark.parametrize("kind", ["drop", "server_error", "html_502", "half_body", "truncated_json"])
def test_a_lost_answer_is_of_unknown_outcome_and_the_key_repeats_it(
    adapter: PayPalProvider, control: PayPalControl, kind: str
) -> None:
    _, request = approved(adapter, control)
    key = new_key()
    control.fault(kind, method="POST", path_prefix="/v2/checkout/orders/", after=True)
    with pytest.raises(Unavailable) as lost:
        adapter.capture(request, idempotency_key=key)  # type: ignore[arg-type]
    assert lost.value.outcome_unknown
    adapter.capture(request, idempotency_key=key)  # type: ignore[arg-type]
    assert control.effects()[0].captured_minor == 4990


def test_nothing_is_captured_that_we_did_not_ask_for(adapter: PayPalProvider, control: PayPalControl) -> None:
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    other = start_request(reference=asked.reference, amount_minor=1)
    with pytest.raises(InvalidRequest):
        adapter.capture(capture_request(ids, other), idempotency_key=new_key())
    assert control.effects()[0].captured_minor == 0


def test_a_pending_capture_keeps_a_completed_order_pending(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, request = approved(adapter, control, kind="pending", reason="PENDING_REVIEW")
    adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    waiting = adapter.fetch(ids)
    assert control.get(ids.page_id)["status"] == "COMPLETED"
    assert (waiting.status, waiting.page_open, waiting.in_review) == (PaymentStatus.PENDING, False, True)
    assert waiting.captures == () and waiting.next_step is NextStep.NONE

    capture = control.effects()[0].charges[0]["id"]
    control.settle_capture(capture, success=True)
    assert adapter.fetch(ids).status is PaymentStatus.PAID


def test_a_pending_capture_that_is_denied_has_failed(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, request = approved(adapter, control, kind="pending", reason="ECHECK")
    adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    assert not adapter.fetch(ids).in_review
    control.settle_capture(control.effects()[0].charges[0]["id"], success=False)
    assert adapter.fetch(ids).status is PaymentStatus.FAILED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("5120", DeclineReason.INSUFFICIENT_FUNDS),
        ("5400", DeclineReason.EXPIRED_CARD),
        ("00N7", DeclineReason.INCORRECT_CVC),
        ("5170", DeclineReason.INCORRECT_ADDRESS),
        ("0500", DeclineReason.DO_NOT_HONOR),
        ("0100", DeclineReason.CALL_ISSUER),
        ("9500", DeclineReason.FRAUD),
        ("5650", DeclineReason.AUTHENTICATION_REQUIRED),
        ("5710", DeclineReason.LIMIT),
        ("5180", DeclineReason.INVALID_CARD),
        ("5920", DeclineReason.RETRY_LATER),
        ("ZZZZ", DeclineReason.UNKNOWN),
    ],
)
def test_a_declined_capture_is_declined_by_its_processor_code(
    adapter: PayPalProvider, control: PayPalControl, code: str, reason: DeclineReason
) -> None:
    ids, request = approved(adapter, control, kind="declined", code=code)
    with pytest.raises(Declined) as declined:  # although PayPal answers 201
        adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    assert declined.value.decline.reason is reason
    told = adapter.fetch(ids)
    assert told.status is PaymentStatus.FAILED
    assert told.decline is not None and told.decline.reason is reason and told.decline.provider_code == code
    assert [one.succeeded for one in told.tries] == [False]


def test_a_refused_instrument_is_declined(adapter: PayPalProvider, control: PayPalControl) -> None:
    _, request = approved(adapter, control, kind="refused")
    with pytest.raises(Declined) as declined:
        adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    assert declined.value.decline.provider_code == "INSTRUMENT_DECLINED"
    assert control.effects()[0].captured_minor == 0


# --- closing ---------------------------------------------------------------------------------------------------


def test_a_closed_order_is_cancelled_and_never_asks_for_a_capture(
    adapter: PayPalProvider, control: PayPalControl
) -> None:
    ids = adapter.start(start_request(), idempotency_key=new_key()).ids
    adapter.close(ids, idempotency_key=new_key())
    adapter.close(ids, idempotency_key=new_key())
    closed = adapter.fetch(ids)
    assert (closed.status, closed.page_open, closed.page_url) == (PaymentStatus.CANCELLED, False, "")

    control.approve(ids.page_id)  # PayPal cannot be told to refuse it
    late = adapter.fetch(ids)
    assert (late.status, late.next_step, late.page_open) == (PaymentStatus.CANCELLED, NextStep.NONE, False)


def test_money_that_moves_after_the_close_is_told(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, request = approved(adapter, control)
    adapter.close(ids, idempotency_key=new_key())
    with pytest.raises(InvalidRequest):
        adapter.capture(request, idempotency_key=new_key())  # type: ignore[arg-type]
    assert control.effects()[0].captured_minor == 0
    control.force_capture(ids.page_id)  # it was under way
    assert adapter.fetch(ids).status is PaymentStatus.PAID


def test_closing_what_is_captured_does_nothing(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids = paid(adapter, control)
    adapter.close(ids, idempotency_key=new_key())
    assert adapter.fetch(ids).status is PaymentStatus.PAID


def test_an_approval_that_paypal_took_back_is_cancelled(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, _ = approved(adapter, control)
    control.reverse_approval(ids.page_id)
    assert adapter.fetch(ids).status is PaymentStatus.CANCELLED


def test_an_unknown_order_is_unknown(adapter: PayPalProvider) -> None:
    with pytest.raises(UnknownObject):
        adapter.fetch(ProviderIds(page_id="0NOSUCHORDER00000"))
    with pytest.raises(InvalidRequest):
        adapter.fetch(ProviderIds(page_id="../../v1/oauth2/token"))


# --- refunds ---------------------------------------------------------------------------------------------------


def refund_of(ids: ProviderIds, capture_id: str, amount_minor: int, reference: str = "re_1") -> RefundRequest:
    return RefundRequest(
        reference=reference,
        ids=ids,
        capture_id=capture_id,
        amount_minor=amount_minor,
        currency="EUR",
        reason=RefundReason.REQUESTED_BY_CUSTOMER,
    )


def test_a_refund_goes_back_once_and_is_told_by_the_order(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids = paid(adapter, control)
    capture = adapter.fetch(ids).captures[0].capture_id
    key = new_key()
    made = adapter.refund(refund_of(ids, capture, 1000), idempotency_key=key)
    again = adapter.refund(refund_of(ids, capture, 1000), idempotency_key=key)
    assert made == again and made.status == "succeeded"
    [told] = adapter.fetch(ids).refunds
    assert (told.refund_id, told.capture_id, told.amount_minor, told.reference) == (
        made.refund_id,
        capture,
        1000,
        "re_1",
    )
    with pytest.raises(InvalidRequest) as excess:
        adapter.refund(refund_of(ids, capture, 4000), idempotency_key=new_key())
    assert excess.value.code == "REFUND_AMOUNT_EXCEEDED"
    adapter.refund(refund_of(ids, capture, 3990, "re_2"), idempotency_key=new_key())
    assert adapter.fetch(ids).status is PaymentStatus.PAID
    assert control.effects()[0].refunded_minor == 4990


def test_a_refund_made_at_paypal_has_no_reference_of_ours(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids = paid(adapter, control)
    capture = adapter.fetch(ids).captures[0].capture_id
    control.refund_capture(capture, amount=500)
    [told] = adapter.fetch(ids).refunds
    assert (told.reference, told.amount_minor, told.status) == ("", 500, "succeeded")
    control.patch(told.refund_id, custom_id=adapter.fetch(ids).reference)  # PayPal copies the payment's
    assert adapter.fetch(ids).refunds[0].reference == ""


def test_a_pending_refund_may_fail(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids = paid(adapter, control)
    control.hold_refunds()
    made = adapter.refund(refund_of(ids, adapter.fetch(ids).captures[0].capture_id, 1000), idempotency_key=new_key())
    assert made.status == "pending"
    control.move_refund(made.refund_id, status="FAILED")
    assert adapter.fetch(ids).refunds[0].status == "failed"


# --- presentation, currencies, restart -----------------------------------------------------------------------


def test_an_embedded_order_has_a_form_and_no_page(adapter: PayPalProvider, control: PayPalControl) -> None:
    started = adapter.start(start_request(presentation=Presentation.EMBEDDED), idempotency_key=new_key())
    assert started.redirect_url == ""
    assert adapter.fetch(started.ids).page_url == ""
    form = adapter.form(started.ids)
    assert form.parameters == {"client_id": "sandbox-client-id", "order_id": started.ids.page_id}
    assert form.scripts == (control.url + "/web-sdk/v6/core",) and not form.takes_token
    assert form.policy["script-src"] == (control.url,)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "told"), [(4900, "JPY", "4900"), (490000, "HUF", "4900"), (1, "EUR", "0.01")]
)
def test_amounts_go_in_paypals_decimals(
    adapter: PayPalProvider, control: PayPalControl, amount_minor: int, currency: str, told: str
) -> None:
    ids = paid(adapter, control, amount_minor=amount_minor, currency=currency)
    assert control.get(ids.page_id)["purchase_units"][0]["amount"]["value"] == told
    found = adapter.fetch(ids)
    assert (found.amount_minor, found.currency, found.captures[0].amount_minor) == (
        amount_minor,
        currency,
        amount_minor,
    )


@pytest.mark.slow
def test_an_order_survives_the_death_of_the_sandbox(tmp_path: Path, control: PayPalControl) -> None:
    process = SandboxProcess(tmp_path / "state", webhook_url="http://127.0.0.1:9/", provider="paypal").start()
    own = make_adapter(process.url, tmp_path / "state" / "paypal-root.pem")
    ids = own.start(start_request(), idempotency_key=new_key()).ids
    process.kill()
    process.start()
    again = make_adapter(process.url, tmp_path / "state" / "paypal-root.pem")
    assert again.fetch(ids).page_open
    assert process.stop() == ""
