"""The reply to a customer: one for each rule, polite, complete, and free of what is not theirs to know."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from integrations.contract import DeclineReason
from orders.money import Money
from payments.replies import BODIES, reply
from payments.shop.decline_texts import GENERIC
from payments.why import RULES, why
from tests.payments.situations import SITUATIONS, attempt, ended, placed

INSIDES = re.compile(
    r"(?i)stripe|provider|webhook|signature|\bcase\b|\bkey\b|inbox|worker|\bcode\b|fraud|stolen|acct_|error|attempt"
    r"|receiver|crm|capture|card_declined|review|dispute"
)
UNSURE = {
    *("keys_refused", "provider_unreachable", "signatures_fail", "amount_differs", "double_payment", "late_money"),
    *("stopped_by_case", "time_ran_out", "capture_on_its_way", "notice_queued", "notice_failed", "bank_processing"),
    *("in_review", "unsettled"),
}
NO_MONEY = {"last_try_failed", "expired"}


def text_for(rule: str) -> str:
    return reply(SITUATIONS[rule], why(SITUATIONS[rule]))


def test_every_rule_has_a_reply() -> None:
    assert set(BODIES) == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize("rule", BODIES)
def test_a_reply_is_complete_and_gives_nothing_away(rule: str) -> None:
    text = text_for(rule)
    assert text.startswith("Hello,\n\nthank you for your message about order 1042 over 42,00\N{NO-BREAK SPACE}€.")
    assert "https://shop.example/orders/t0ken/" in text
    assert text.endswith("Kind regards")
    assert not INSIDES.search(text), INSIDES.search(text)


@pytest.mark.parametrize("rule", BODIES)
def test_what_is_said_of_money_is_known(rule: str) -> None:
    assert ("Please don't pay again." in text_for(rule)) is (rule in UNSURE)
    assert ("No money was taken." in text_for(rule)) is (rule in NO_MONEY)


def test_no_money_is_not_said_where_nobody_was_asked() -> None:
    situation = placed(attempt=attempt(state="failed", page_open=False, looked_at=None))
    assert "No money was taken" not in reply(situation, why(situation))


@pytest.mark.parametrize("reason", [DeclineReason.FRAUD, DeclineReason.DO_NOT_HONOR, DeclineReason.UNKNOWN])
def test_declines_that_tell_a_thief_something_read_the_same(reason: DeclineReason) -> None:
    situation = placed(attempt=attempt(decline_reason=reason.value, decline_code="pickup_card"))
    assert GENERIC in reply(situation, why(situation))


@pytest.mark.parametrize(
    ("locale", "amount", "shown"),
    [
        ("en_US", Money(123456, "USD"), "$1,234.56"),
        ("ja_JP", Money(4200, "JPY"), "¥4,200"),
        ("en_US", Money(1500, "KWD"), "KWD\N{NO-BREAK SPACE}1.500"),
    ],
)
def test_amounts_are_written_as_the_shopper_reads_them(locale: str, amount: Money, shown: str) -> None:
    situation = replace(ended("cancelled"), locale=locale, total=amount)
    assert f"over {shown}." in reply(situation, why(situation)).replace("￥", "¥")
