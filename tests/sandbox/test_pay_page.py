"""The hosted page as a shopper's browser sees it, without JavaScript."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import stripe

from integrations.sandbox.control import SandboxControl
from tests.sandbox.process import Receiver, SandboxProcess
from tests.sandbox.shop import (
    CANCEL_URL,
    DECLINED,
    INSUFFICIENT_FUNDS,
    SUCCESS_URL,
    THREE_D_SECURE,
    VISA,
    Page,
    new_session,
)


def success_url(session: stripe.checkout.Session) -> str:
    """Where the page sends a shopper who has paid."""
    return SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session.id)


def test_the_page_shows_what_is_bought(client: stripe.StripeClient) -> None:
    page = Page(new_session(client, quantity=2).url)
    assert page.heading == "Pay 99.80 EUR"
    assert "Tea &lt;b&gt;&amp; more&lt;/b&gt;" in page.answer.text
    assert f'href="{CANCEL_URL}"' in page.answer.text
    assert '<html lang="en">' in page.answer.text
    assert "<script" not in page.answer.text


def test_the_page_may_be_shown_by_no_other_and_runs_no_script(client: stripe.StripeClient) -> None:
    policy = Page(new_session(client).url).answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:9" in policy


def test_paying_leads_back_to_the_shop_with_the_session_id(client: stripe.StripeClient) -> None:
    session = new_session(client)
    page = Page(session.url).pay()
    assert (page.status, page.location) == (303, success_url(session))
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert paid.customer_details is not None
    assert paid.customer_details.email == "a@shop.example"


@pytest.mark.parametrize(
    ("number", "decline_code", "sentence"),
    [
        (DECLINED, "generic_decline", "Your card was declined."),
        (INSUFFICIENT_FUNDS, "insufficient_funds", "Your card has insufficient funds."),
        ("4000000000000069", "expired_card", "Your card has expired."),
        ("4000000000000127", "incorrect_cvc", "Your card's security code is incorrect."),
        ("4000000000000119", "processing_error", "An error occurred while processing your card."),
        ("4000000000009987", "lost_card", "Your card was declined."),
        ("4000000000009979", "stolen_card", "Your card was declined."),
        ("4000000000000341", "generic_decline", "Your card was declined."),
        ("4000000000006975", "card_velocity_exceeded", "Your card was declined."),
        ("4100000000000019", "fraudulent", "Your card was declined."),
    ],
)
def test_a_declined_card_leaves_the_page_open(
    client: stripe.StripeClient, number: str, decline_code: str, sentence: str
) -> None:
    session = new_session(client)
    page = Page(session.url).pay(number)
    assert page.alert.startswith(sentence)
    assert f'data-code="{decline_code}"' in page.answer.text
    open_session = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert open_session.status == "open"
    intent = open_session.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == decline_code
    assert Page(session.url).alert.startswith(sentence)


def test_a_decline_then_another_card(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    assert Page(session.url).pay(DECLINED).pay(VISA).location == success_url(session)
    (effect,) = control.effects()
    assert [charge["status"] for charge in effect.charges] == ["failed", "succeeded"]
    assert effect.captured_minor == 4990


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"number": "4242424242424241"}, "Your card number is incorrect."),
        ({"number": "42"}, "Your card number is incomplete."),
        ({"number": "4" * 30}, "Your card number is incomplete."),
        ({"number": "4539578763621486"}, "Your card was declined. Your request was in test mode"),
        ({"expiry": "13/34"}, "Your card's expiration date is incomplete."),
        ({"expiry": "never"}, "Your card's expiration date is incomplete."),
        ({"expiry": "01/20"}, "Your card's expiration date is in the past."),
        ({"cvc": "1"}, "Your card's security code is incomplete."),
        ({"email": "nobody"}, "Enter your email address"),
        ({"email": ""}, "Enter your email address"),
    ],
)
def test_a_form_that_is_not_complete_charges_nothing(
    client: stripe.StripeClient, control: SandboxControl, fields: dict[str, str], sentence: str
) -> None:
    page = Page(new_session(client).url).pay(**fields)
    assert page.status == 400
    assert page.alert.startswith(sentence)
    assert page.answer.text.count('aria-invalid="true"') == 1
    assert control.effects() == []


def test_what_was_typed_is_escaped_and_the_card_is_not_repeated(client: stripe.StripeClient) -> None:
    page = Page(new_session(client).url).pay(DECLINED, email='a"><script>@shop.example')
    assert "<script>" not in page.answer.text
    assert "4000000000000002" not in page.answer.text


def test_a_card_number_with_blanks(client: stripe.StripeClient) -> None:
    assert Page(new_session(client).url).pay("4242 4242 4242 4242", expiry="12 / 2034").status == 303


def test_the_shops_email_cannot_be_changed(client: stripe.StripeClient) -> None:
    session = new_session(client, customer_email="known@shop.example")
    page = Page(session.url)
    assert 'value="known@shop.example" readonly' in page.answer.text
    page.pay(email="other@shop.example")
    details = client.v1.checkout.sessions.retrieve(session.id).customer_details
    assert details is not None
    assert details.email == "known@shop.example"


def test_a_double_press_charges_once(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    form = {"method": "card", "email": "a@shop.example", "number": VISA, "expiry": "12/34", "cvc": "123"}
    form["attempt"] = Page(session.url).attempt
    assert session.url is not None
    url = session.url
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: requests.post(url, data=form, timeout=20, allow_redirects=False), range(16)))
    assert {answer.status_code for answer in answers} == {303}
    assert success_url(session) in {answer.headers["Location"] for answer in answers}
    (effect,) = control.effects()
    assert effect.captured_minor == 4990


def test_a_double_press_with_a_declined_card_tries_once(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    page = Page(session.url)
    attempt = page.attempt
    page.pay(DECLINED, attempt=attempt).pay(DECLINED, attempt=attempt)
    assert page.status == 303
    assert page.follow().alert == "Your card was declined."
    (effect,) = control.effects()
    assert len(effect.charges) == 1


def test_a_paid_session_says_so(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    page = Page(session.url).pay()
    assert Page(session.url).heading == "You have already paid"
    assert page.pay().location == success_url(session)
    assert len(control.effects()) == 1


def test_an_expired_session_says_so(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    client.v1.checkout.sessions.expire(session.id)
    page = Page(session.url)
    assert page.heading == "This payment page has expired"
    assert "You were not charged" in page.answer.text
    assert page.pay().heading == "This payment page has expired"
    assert control.effects() == []


def test_a_session_expires_by_the_clock(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    session = new_session(client)
    intent = control.pay(session.id, card=DECLINED).payment_intent
    control.advance_clock(seconds=24 * 3600 + 1)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert client.v1.payment_intents.retrieve(intent).cancellation_reason == "expired"
    receiver.wait_for(lambda: "checkout.session.expired" in receiver.types())
    assert Page(session.url).heading == "This payment page has expired"


def test_a_session_expires_without_anybody_asking(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    new_session(client)
    control.set_clock(offset_seconds=24 * 3600 + 1)
    receiver.wait_for(lambda: receiver.types() == ["checkout.session.expired"])


@pytest.mark.parametrize("path", ["/", "/c/pay/cs_test_none", "/c/pay/", "/3ds/pi_none", "/favicon.ico"])
def test_other_addresses_are_not_found(sandbox: SandboxProcess, path: str) -> None:
    assert requests.get(sandbox.url + path, timeout=10).status_code == 404


def test_3d_secure_completed(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    session = new_session(client)
    page = Page(session.url).pay(THREE_D_SECURE)
    assert "/3ds/pi_" in page.location
    assert Page(session.url).location == page.location
    challenge = page.follow()
    assert challenge.heading == "Confirm your payment"
    assert "49.90 EUR" in challenge.answer.text
    assert challenge.post({"outcome": "complete"}).location == success_url(session)
    receiver.wait_for(lambda: len(receiver.received) == 6)
    assert sorted(receiver.types()) == sorted(
        [
            "payment_intent.created",
            "payment_intent.requires_action",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed",
            "charge.updated",
        ]
    )
    assert challenge.post({"outcome": "complete"}).status == 303
    (effect,) = control.effects()
    assert effect.captured_minor == 4990


def test_3d_secure_failed_then_another_card(client: stripe.StripeClient) -> None:
    session = new_session(client)
    challenge = Page(session.url).pay("4000002760003184").follow()
    page = challenge.post({"outcome": "fail"}).follow()
    assert page.alert.startswith("We are unable to authenticate your payment method.")
    assert page.pay().location == success_url(session)


def test_3d_secure_completed_and_then_declined(client: stripe.StripeClient) -> None:
    session = new_session(client)
    challenge = Page(session.url).pay("4000008400001629").follow()
    assert challenge.post({"outcome": "complete"}).follow().alert == "Your card was declined."


def test_3d_secure_only_when_asked_for(client: stripe.StripeClient) -> None:
    optional = "4000000000003055"
    assert Page(new_session(client).url).pay(optional).location.startswith("http://127.0.0.1:9/return/")
    options = {"card": {"request_three_d_secure": "any"}}
    session = new_session(client, payment_method_options=options)
    assert "/3ds/" in Page(session.url).pay(optional).location


def test_a_challenge_without_an_answer(client: stripe.StripeClient) -> None:
    challenge = Page(new_session(client).url).pay(THREE_D_SECURE).follow()
    assert challenge.post({"outcome": "perhaps"}).status == 400


def test_a_challenge_of_a_direct_intent_returns_to_the_shop(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_authenticationRequired",
            "return_url": "http://127.0.0.1:9/done?a=b",
        }
    )
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    page = Page(intent.next_action.redirect_to_url.url).post({"outcome": "complete"})
    assert page.location.startswith(f"http://127.0.0.1:9/done?a=b&payment_intent={intent.id}&")
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_bank_debit_completes_unpaid_and_settles_later(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    session = new_session(client)
    page = Page(session.url)
    assert page.post({"method": "debit", "email": "a@shop.example"}).location == success_url(session)
    waiting = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
    assert isinstance(waiting.payment_intent, stripe.PaymentIntent)
    assert waiting.payment_intent.status == "processing"
    assert control.effects()[0].captured_minor == 0
    control.settle(session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert control.effects()[0].captured_minor == 4990
    expected = {"payment_intent.processing", "checkout.session.async_payment_succeeded"}
    receiver.wait_for(lambda: expected <= set(receiver.types()))


def test_bank_debit_that_fails_later(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    session = new_session(client)
    control.pay(session.id, method="debit")
    control.settle(session.id, success=False)
    failed = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (failed.status, failed.payment_status) == ("complete", "unpaid")
    assert isinstance(failed.payment_intent, stripe.PaymentIntent)
    assert failed.payment_intent.status == "requires_payment_method"
    receiver.wait_for(lambda: "checkout.session.async_payment_failed" in receiver.types())


def test_bank_debit_is_not_offered_to_a_card_only_session(client: stripe.StripeClient) -> None:
    page = Page(new_session(client, allowed_payment_method_types=["card"]).url)
    assert "bank debit" not in page.answer.text
    assert page.post({"method": "debit", "email": "a@shop.example"}).status == 400


def test_no_card_number_is_ever_stored(own_process: SandboxProcess, tmp_path: Path) -> None:
    client = own_process.client()
    session = new_session(client)
    Page(session.url).pay(DECLINED).pay("4242 4242 4242 4242")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 100, "currency": "eur", "description": VISA, "colour": VISA})  # type: ignore[typeddict-unknown-key]
    own_process.stop()
    written = b"".join(path.read_bytes() for path in own_process.state_dir.iterdir())
    assert b"4242424242424242" not in written
    assert b"4242 4242" not in written
    assert b"4000000000000002" not in written
    assert b'"last4": "4242"' in written
