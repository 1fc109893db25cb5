"""The mails a shopper gets, as text and as HTML."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings

from integrations import delivery
from integrations.connectors.contract import Message, Receiver
from integrations.connectors.mail import MailConnector, NoSuchMail
from integrations.facts import MAILED_FACTS, Fact
from integrations.models import Delivery, DeliveryState, Failure
from tests.integrations.deliveries import ORDER, make_mailbox, tell

CONNECTOR = MailConnector()
REFUNDED = {
    "refund_display": "234,50 €",
    "refund_of": "applied",
    "refunded_at": "2026-11-22T09:00:00+00:00",
    "refund_arrives_at": "2026-12-06T09:00:00+00:00",
}
"""What payments/refunds/recording.py adds to the fact, as far as the mail tells it."""


def build(fact: Fact = Fact.ORDER_PAID, *, key: str = "msg_1", to: str = "", **payload: Any) -> EmailMultiAlternatives:
    message = Message(
        key=key,
        fact=fact,
        event_id="e",
        occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
        payload={**ORDER, **payload},
    )
    return CONNECTOR.build(message, Receiver(address=to))


def bodies(fact: Fact, **payload: Any) -> tuple[str, str, str]:
    """Subject, text and HTML."""
    built = build(fact, **payload)
    ((html, kind),) = built.alternatives
    assert kind == "text/html"
    assert isinstance(html, str)
    return str(built.subject), str(built.body), html


@pytest.mark.parametrize(
    ("fact", "subject", "link", "sentence"),
    [
        (Fact.ORDER_PLACED, "We received order 1042", "pay_url", "We received your order"),
        (Fact.ORDER_PAID, "Paid: your receipt for order 1042", "status_url", "This is your receipt"),
        (Fact.ORDER_EXPIRED, "Order 1042 was not paid", "status_url", "No money was taken."),
        (Fact.ORDER_CANCELLED, "Order 1042 was cancelled", "status_url", "Order 1042 was cancelled"),
        (Fact.ATTEMPT_FAILED, "Your payment for order 1042 did not go through", "pay_url", "no money was taken"),
        (Fact.REFUND_SUCCEEDED, "We sent 234,50 € back to you for order 1042", "status_url", "arrives by 6 December"),
    ],
)
def test_each_mail_says_what_happened_what_was_ordered_and_where_to_go(
    fact: Fact, subject: str, link: str, sentence: str
) -> None:
    found, text, html = bodies(fact, **(REFUNDED if fact is Fact.REFUND_SUCCEEDED else {}))
    assert found == subject
    for body in (text, html):
        assert sentence in body
        assert "1.234,50 €" in body
        assert ORDER[link] in body
    assert "<" not in text.replace("Mug <b>&</b> saucer", "")


def test_every_fact_that_has_a_mail_is_tried_here() -> None:
    tried = {Fact.ORDER_PLACED, Fact.ORDER_PAID, Fact.ORDER_EXPIRED, Fact.ORDER_CANCELLED, Fact.ATTEMPT_FAILED}
    assert tried | {Fact.REFUND_SUCCEEDED} == MAILED_FACTS


def test_money_beyond_the_order_is_not_said_to_be_of_its_payment() -> None:
    for body in bodies(Fact.REFUND_SUCCEEDED, **{**REFUNDED, "refund_of": "unapplied"})[1:]:
        assert "beyond what order 1042 owed" in body
        assert "of your payment" not in body


def test_names_are_escaped_in_html_and_plain_in_text() -> None:
    _, text, html = bodies(Fact.ORDER_PAID)
    assert "2 x Mug <b>&</b> saucer: 1.234,50 €" in text
    assert "Mug &lt;b&gt;&amp;&lt;/b&gt; saucer" in html
    assert "<b>" not in html


def test_the_receipt_says_when_it_was_paid() -> None:
    for body in bodies(Fact.ORDER_PAID)[1:]:
        assert "21 November 2026, 12:00 UTC" in body


def test_the_message_id_is_the_deliverys_at_every_try() -> None:
    with override_settings(DEFAULT_FROM_EMAIL="The shop <orders@shop.example>"):
        first, second, other = build(), build(), build(key="msg_2")
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"] == "<msg_1@shop.example>"
    assert other.extra_headers["Message-ID"] == "<msg_2@shop.example>"
    assert first.message()["Message-ID"] == "<msg_1@shop.example>"


def test_it_goes_to_the_shopper_unless_the_destination_names_an_address() -> None:
    assert build().to == ["shopper@example.com"]
    assert build(to="books@shop.example").to == ["books@shop.example"]


@pytest.mark.parametrize(
    "email",
    ["", None, 7, "nobody", "a@b.example\nBcc: all@b.example", "a@b.example\r\nX: y", "a@b.example, c@d.example"],
)
def test_what_is_no_address_gets_no_mail(email: Any) -> None:
    with pytest.raises(NoSuchMail):
        build(email=email)


def test_no_payload_writes_a_header() -> None:
    built = build(number="7\r\nBcc: all@b.example")
    assert built.subject == "Paid: your receipt for order 7 Bcc: all@b.example"
    assert built.message()["Bcc"] is None


def test_a_fact_without_a_mail_is_hopeless(now: datetime) -> None:
    with pytest.raises(NoSuchMail) as refused:
        build(Fact.DISPUTE_OPENED)
    verdict = CONNECTOR.classify(refused.value)
    assert (verdict.failure, verdict.hopeless) == (Failure.PERMANENT, True)


@pytest.mark.parametrize(
    ("error", "failure", "unknown"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no"), Failure.CONFIGURATION, False),
        (smtplib.SMTPRecipientsRefused({"shopper@example.com": (550, b"who")}), Failure.PERMANENT, False),
        (smtplib.SMTPRecipientsRefused({"shopper@example.com": (450, b"later")}), Failure.UNAVAILABLE, False),
        (smtplib.SMTPDataError(554, b"spam"), Failure.PERMANENT, False),
        (smtplib.SMTPDataError(451, b"later"), Failure.UNAVAILABLE, False),
        (smtplib.SMTPServerDisconnected("gone"), Failure.UNAVAILABLE, True),
        (TimeoutError("slow"), Failure.TIMEOUT, True),
        (ConnectionRefusedError("shut"), Failure.UNAVAILABLE, False),
        (ConnectionResetError("reset"), Failure.UNAVAILABLE, True),
        (KeyError("defect"), Failure.INTERNAL, False),
    ],
)
def test_what_an_error_means(error: Exception, failure: Failure, unknown: bool) -> None:
    verdict = CONNECTOR.classify(error)
    assert (verdict.failure, verdict.outcome_unknown, verdict.delivered) == (failure, unknown, False)
    assert "shopper@example.com" not in verdict.detail


@pytest.mark.django_db
def test_a_paid_order_is_one_mail(now: datetime) -> None:
    make_mailbox(now=now)
    (row,) = tell(now=now)

    assert delivery.drain(clock=lambda: now) == delivery.Drained(delivered=1)
    assert delivery.drain(clock=lambda: now + timedelta(days=1)) == delivery.Drained()

    (sent,) = mail.outbox
    assert sent.to == ["shopper@example.com"]
    assert sent.extra_headers["Message-ID"].startswith(f"<{row.key}@")


@pytest.mark.django_db
def test_a_mail_whose_worker_died_is_sent_again_under_its_message_id(now: datetime) -> None:
    make_mailbox(now=now)
    tell(now=now)
    (died,) = delivery.claim(now=now, limit=1)
    delivery.attempt(died, now=now)

    assert delivery.drain(clock=lambda: now + timedelta(minutes=1)) == delivery.Drained(delivered=1)

    first, second = mail.outbox
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]


@pytest.mark.django_db
def test_a_mail_without_a_recipient_is_a_dead_letter(now: datetime) -> None:
    make_mailbox(now=now)
    tell(now=now, email="")
    assert delivery.drain(clock=lambda: now) == delivery.Drained(dead=1)
    assert Delivery.objects.get().state == DeliveryState.DEAD
    assert mail.outbox == []
