"""Suspicious patterns: at the threshold and not below it, in the window and not before it, one case a subject."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config import watching
from config.readers import EnvironmentInvalid, Reader
from integrations.models import OutboxEvent
from orders.models import Order
from payments.cases import opening as cases
from payments.keyed_hashes import as_subject_id, client_key, method_key
from payments.ledger import posting as ledger
from payments.models import Capture, Case, PaymentAttempt, PaymentTry, Refund
from payments.models.case import CaseKind, Resolution
from payments.monitoring import patterns
from tests.factories import make_order

pytestmark = pytest.mark.django_db(transaction=True)

THRESHOLDS = {
    "PATTERN_FAILED_TRIES_BY_ORDER": (3, 60),
    "PATTERN_FAILED_TRIES_BY_EMAIL": (4, 60),
    "PATTERN_FAILED_TRIES_BY_CLIENT": (5, 60),
    "PATTERN_CARDS_BY_EMAIL": (3, 120),
    "PATTERN_CARDS_BY_CLIENT": (4, 120),
    "PATTERN_SMALL_AMOUNTS_BY_EMAIL": (3, 60),
    "PATTERN_SMALL_AMOUNTS_BY_CLIENT": (3, 60),
    "PATTERN_REFUNDS": (2, 60),
    "PATTERN_REFUND_PERCENT": 10,
    "PATTERN_SMALL_AMOUNTS": {"EUR": 200},
}


@pytest.fixture(autouse=True)
def thresholds(settings: Any) -> Any:
    for name, value in THRESHOLDS.items():
        setattr(settings, name, value)
    return settings


@pytest.fixture
def only(settings: Any) -> Callable[[str], None]:
    """Switch off all patterns but one."""

    def keep(setting: str) -> None:
        for name in watching.PATTERNS:
            if name != setting:
                setattr(settings, name, None)

    return keep


def an_order(now: datetime, *, email: str = "shopper@example.com") -> Order:
    order = make_order(now=now)
    order.email = email
    order.save(update_fields=["email"])
    return order


def an_attempt(order: Order, *, at: datetime, client: str = "", **fields: Any) -> PaymentAttempt:
    told = {"amount_minor": 2000, "currency": "EUR", "mode": "test", "provider": "stripe", **fields}
    return PaymentAttempt.objects.create(order=order, created_at=at, client_key=client_key(client), **told)


def a_try(attempt: PaymentAttempt, *, at: datetime, succeeded: bool = False, card: str = "") -> PaymentTry:
    return PaymentTry.objects.create(
        attempt=attempt,
        provider="stripe",
        account="a",
        try_id=f"ch_{PaymentTry.objects.count()}",
        at=at,
        seen_at=at,
        succeeded=succeeded,
        decline_reason="" if succeeded else "fraud",
        method_key=method_key("stripe", card),
    )


def open_cases() -> list[tuple[str, str, int]]:
    return list(Case.objects.filter(closed_at=None).order_by("pk").values_list("kind", "subject_kind", "subject_id"))


def test_a_quiet_shop_has_none(now: datetime) -> None:
    assert patterns.watch(now) == 0


class TestFailedTries:
    def test_for_one_order_at_the_threshold(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_FAILED_TRIES_BY_ORDER")
        order = an_order(now)
        attempt = an_attempt(order, at=now)
        for minutes in (0, 1):
            a_try(attempt, at=now + timedelta(minutes=minutes))
        a_try(attempt, at=now, succeeded=True)
        assert patterns.watch(now + timedelta(minutes=2)) == 0
        a_try(attempt, at=now + timedelta(minutes=2))
        assert patterns.watch(now + timedelta(minutes=2)) == 1
        case = Case.objects.get()
        assert (case.kind, case.subject_kind, case.subject_id) == (CaseKind.FAILED_TRIES, "order", order.pk)
        assert case.order == order
        assert case.theirs == "3 declined tries for one order in 60 minutes."

    def test_those_before_the_window_do_not_count(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_FAILED_TRIES_BY_ORDER")
        attempt = an_attempt(an_order(now), at=now)
        for minutes in (0, 30, 61):
            a_try(attempt, at=now + timedelta(minutes=minutes))
        assert patterns.watch(now + timedelta(minutes=61)) == 0
        assert patterns.watch(now + timedelta(minutes=60)) == 1, "with all three inside it would be one"

    def test_for_one_e_mail_address_over_many_orders(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_FAILED_TRIES_BY_EMAIL")
        for number in range(4):
            a_try(an_attempt(an_order(now, email="one@example.com"), at=now), at=now + timedelta(minutes=number))
        a_try(an_attempt(an_order(now, email="other@example.com"), at=now), at=now)
        patterns.watch(now + timedelta(minutes=5))
        assert open_cases() == [(CaseKind.FAILED_TRIES, "email", as_subject_id("one@example.com"))]
        case = Case.objects.get()
        assert case.order is not None
        assert case.order.email == "one@example.com", "the newest order is the way to the person"
        told = [case.ours, case.theirs, case.suggested_fix, str(OutboxEvent.objects.get().payload)]
        assert not [text for text in told if "one@example.com" in text]

    def test_from_one_network_address_under_many_names(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_FAILED_TRIES_BY_CLIENT")
        for number in range(5):
            order = an_order(now, email=f"{number}@example.com")
            a_try(an_attempt(order, at=now, client="203.0.113.9"), at=now)
        for number in range(9):
            a_try(an_attempt(an_order(now, email=f"x{number}@example.com"), at=now), at=now)
        patterns.watch(now)
        assert open_cases() == [(CaseKind.FAILED_TRIES, "client", as_subject_id(client_key("203.0.113.9")))], (
            "attempts whose address is not known are nobody's"
        )


class TestCards:
    def test_different_cards_count_not_tries(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_CARDS_BY_EMAIL")
        attempt = an_attempt(an_order(now), at=now)
        for card in ("a", "b", "a", "b", "a", ""):
            a_try(attempt, at=now, card=card, succeeded=card == "a")
        assert patterns.watch(now) == 0
        a_try(attempt, at=now, card="c")
        assert patterns.watch(now) == 1
        assert Case.objects.get().theirs == "3 different cards for one e-mail address in 120 minutes."

    def test_from_one_network_address(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_CARDS_BY_CLIENT")
        for number in range(4):
            order = an_order(now, email=f"{number}@example.com")
            a_try(an_attempt(order, at=now, client="2001:db8::7"), at=now, card=str(number), succeeded=True)
        patterns.watch(now)
        assert [kind for kind, _, _ in open_cases()] == [CaseKind.MANY_CARDS]


class TestSmallAmounts:
    def test_up_to_the_amount_of_the_currency(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_SMALL_AMOUNTS_BY_EMAIL")
        for amount, currency in ((200, "EUR"), (1, "EUR"), (201, "EUR"), (1, "JPY")):
            an_attempt(an_order(now), at=now, amount_minor=amount, currency=currency)
        assert patterns.watch(now) == 0
        an_attempt(an_order(now), at=now, amount_minor=50, currency="EUR")
        patterns.watch(now)
        assert [kind for kind, _, _ in open_cases()] == [CaseKind.SMALL_AMOUNTS]

    def test_without_any_amount_there_are_none(self, now: datetime, only: Callable[[str], None], settings: Any) -> None:
        only("PATTERN_SMALL_AMOUNTS_BY_EMAIL")
        settings.PATTERN_SMALL_AMOUNTS = {}
        for _ in range(5):
            an_attempt(an_order(now), at=now, amount_minor=1)
        assert patterns.watch(now) == 0


class TestRefunds:
    def refund(self, now: datetime, at: datetime) -> None:
        attempt = an_attempt(an_order(now), at=now)
        with transaction.atomic():
            capture = Capture.objects.create(
                attempt=attempt, order=attempt.order, provider=attempt.provider, account="acct",
                capture_id=f"ch_{attempt.pk}", amount_minor=100, currency="EUR", disposition="unapplied",
                captured_at=now, created_at=now,
            )  # fmt: skip
            ledger.post_capture(capture, at=now)
            Refund.objects.create(
                capture=capture, attempt=attempt, order=attempt.order, provider=attempt.provider, account="acct",
                amount_minor=100, currency="EUR", made_by="ours", requested_at=at,
            )  # fmt: skip

    @pytest.mark.parametrize(("taken", "spike"), [(0, True), (20, True), (21, False)])
    def test_many_and_a_share_of_what_was_taken(self, taken: int, spike: bool, now: datetime) -> None:
        for _ in range(2):
            self.refund(now, now)
        attempt = an_attempt(an_order(now), at=now)
        for _ in range(taken):
            a_try(attempt, at=now, succeeded=True)
        patterns.watch(now)
        assert ((CaseKind.REFUND_SPIKE, "shop", 0) in open_cases()) is spike

    def test_not_below_the_threshold_nor_before_the_window(self, now: datetime) -> None:
        self.refund(now, now - timedelta(minutes=61))
        self.refund(now, now)
        patterns.watch(now)
        assert not Case.objects.filter(kind=CaseKind.REFUND_SPIKE).exists()


class TestOneCase:
    def many(self, now: datetime, at: datetime, attempt: PaymentAttempt, count: int = 3) -> None:
        for _ in range(count):
            a_try(attempt, at=at)

    def test_is_seen_again_and_not_opened_again(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_FAILED_TRIES_BY_ORDER")
        self.many(now, now, an_attempt(an_order(now), at=now))
        for minutes in range(3):
            patterns.watch(now + timedelta(minutes=minutes))
        assert Case.objects.get().times_seen == 3
        assert OutboxEvent.objects.filter(fact="case.opened").count() == 1

    def test_closed_by_a_person_only_what_came_after_counts(self, now: datetime, only: Callable[[str], None]) -> None:
        only("PATTERN_FAILED_TRIES_BY_ORDER")
        attempt = an_attempt(an_order(now), at=now)
        self.many(now, now, attempt)
        patterns.watch(now)
        cases.close_case(Case.objects.get(), resolution=Resolution.NO_ERROR, at=now + timedelta(minutes=1))
        self.many(now, now + timedelta(minutes=2), attempt, count=2)
        assert patterns.watch(now + timedelta(minutes=3)) == 0, "the three of before are judged"
        self.many(now, now + timedelta(minutes=4), attempt, count=1)
        assert patterns.watch(now + timedelta(minutes=5)) == 1
        assert len(open_cases()) == 1


def test_switched_off_it_asks_nothing(now: datetime, only: Callable[[str], None]) -> None:
    only("none of them")
    with CaptureQueriesContext(connection) as queries:
        assert patterns.watch(now) == 0
    assert not queries.captured_queries


def test_no_query_reads_a_whole_table(now: datetime) -> None:
    with CaptureQueriesContext(connection) as queries:
        patterns.watch(now)
    asked = [query["sql"] for query in queries if "payments_payment" in query["sql"]]
    assert len(asked) == 7
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        try:
            for sql in asked:
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
                assert "Seq Scan" not in plan, plan
        finally:
            cursor.execute("RESET enable_seqscan")


class TestSettings:
    def read(self, **environ: str) -> watching.WatchingEnv:
        read = Reader(environ)
        found = watching.watching_env(read)
        if read.problems:
            raise EnvironmentInvalid(read.problems)
        return found

    def test_each_has_a_value_and_the_patterns_name_them(self, settings: Any) -> None:
        found = self.read()
        assert {pattern.setting for pattern in patterns.PATTERNS} | {"PATTERN_REFUNDS"} == set(watching.PATTERNS)
        assert all(hasattr(settings, name) for name in (*found.alerts, *found.patterns))
        assert found.patterns["PATTERN_FAILED_TRIES_BY_ORDER"] == (6, 60)
        assert found.small_amounts == {"EUR": 200, "USD": 200, "GBP": 200, "JPY": 300}

    def test_as_written(self) -> None:
        found = self.read(PATTERN_CARDS_BY_EMAIL="7/90", PATTERN_REFUNDS="0", ALERT_EVENT_SECONDS="60")
        assert (found.patterns["PATTERN_CARDS_BY_EMAIL"], found.patterns["PATTERN_REFUNDS"]) == ((7, 90), None)
        assert found.alerts["ALERT_EVENT_SECONDS"] == 60

    @pytest.mark.parametrize("text", ["7", "7/", "/60", "0/60", "-1/60", "7/0", "7/99999", "7/60/1", "٧/60", "7 / 60"])
    def test_refuses_what_is_no_threshold(self, text: str) -> None:
        with pytest.raises(EnvironmentInvalid, match="PATTERN_REFUNDS"):
            self.read(PATTERN_REFUNDS=text)

    def test_refuses_an_alert_that_would_always_or_never_be(self) -> None:
        with pytest.raises(EnvironmentInvalid, match="ALERT_HEARTBEAT_SECONDS"):
            self.read(ALERT_HEARTBEAT_SECONDS="1")
