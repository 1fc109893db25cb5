"""The API as a partner meets it: place, pay, read; and what it says when it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from integrations.contract import InvalidRequest, Unavailable
from integrations.models import OutboxEvent
from orders.models import Order, Product
from payments.models import IdempotencyRecord, PaymentAttempt
from payments.shop.api_serializers import AttemptMade, AttemptSummary, OrderMade, OrderRead
from tests.factories import make_order, make_product
from tests.fake_provider import FakeProvider
from tests.payments.api_client import ORDERS, ApiClient, code_of, order_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> ApiClient:
    return ApiClient()


@pytest.fixture
def mug() -> Product:
    """A product of 10.00 EUR."""
    return make_product(sku="MUG")


@pytest.fixture
def order() -> Order:
    """A placed order of 20.00 EUR, of now."""
    return make_order(now=timezone.now())


# --- place, pay, read ------------------------------------------------------------------------------------------


def test_an_order_is_placed_at_the_catalogues_prices(api: ApiClient, mug: Product) -> None:
    response = api.place(sku="MUG", quantity=3)

    made = told(response)
    order = Order.objects.get()
    assert response.status_code == 201
    assert made == {
        "token": order.token,
        "amount_minor": 3000,
        "currency": "EUR",
        "state": "placed",
        "pay_url": f"http://127.0.0.1:8000/pay/{order.token}/",
        "status_url": f"http://127.0.0.1:8000/orders/{order.token}/",
    }
    assert set(made) == set(OrderMade().fields)
    assert (order.total_minor, order.email) == (3000, "ada@example.com")
    assert list(OutboxEvent.objects.values_list("fact", flat=True)) == ["order.placed"]


def test_an_attempt_opens_the_providers_page(api: ApiClient, fake: FakeProvider, order: Order) -> None:
    response = api.attempt(order.token)

    made = told(response)
    attempt = PaymentAttempt.objects.get()
    assert response.status_code == 201
    assert made == {"attempt": attempt.reference, "redirect_url": "https://pay.test/cs_1", "state": "pending"}
    assert set(made) == set(AttemptMade().fields)
    assert attempt.url_given_at is not None, "the page is no longer abandoned: a shopper may have its address"


def test_an_order_is_read_without_asking_the_provider(api: ApiClient, fake: FakeProvider, order: Order) -> None:
    api.attempt(order.token)
    asked = list(fake.calls)
    fake.pay(fake.the_payment())

    read = told(api.get(f"{ORDERS}{order.token}/"))

    assert (read["state"], read["paid_at"], read["amount_minor"]) == ("placed", None, 2000)
    assert [(one["provider"], one["state"]) for one in read["attempts"]] == [("stripe", "pending")]
    assert fake.calls == asked
    assert set(read) == set(OrderRead().fields)
    assert set(read["attempts"][0]) == set(AttemptSummary().fields)
    assert "shopper@example.com" not in str(read), "a token shows no personal data"


def test_an_open_page_is_gone_on_with(api: ApiClient, fake: FakeProvider, order: Order) -> None:
    first, second = told(api.attempt(order.token)), told(api.attempt(order.token))

    assert first == second
    assert PaymentAttempt.objects.count() == 1


def test_while_the_provider_has_not_answered_it_is_202_and_the_same_key_asks_again(
    api: ApiClient, fake: FakeProvider, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "the-shoppers-first-try"
    fake.lose_answer_once = True

    waiting = api.attempt(order.token, key=key)
    assert (waiting.status_code, told(waiting)["redirect_url"], told(waiting)["state"]) == (202, "", "created")

    opened = api.attempt(order.token, key=key)
    assert (opened.status_code, told(opened)["redirect_url"]) == (201, "https://pay.test/cs_1")
    assert told(opened)["attempt"] == told(waiting)["attempt"]
    assert len(fake.payments) == 1
    assert "Idempotency-Replayed" not in opened.headers


def test_a_refusing_provider_is_502_and_the_key_stays_with_that_attempt(
    api: ApiClient, fake: FakeProvider, order: Order
) -> None:
    key = "the-shoppers-first-try"
    fake.fail_next = [InvalidRequest("no such currency here")]

    assert code_of(api.attempt(order.token, key=key)) == (502, "provider_refused")
    assert code_of(api.attempt(order.token, key=key)) == (502, "provider_refused")
    assert PaymentAttempt.objects.count() == 1, "a key never makes a second object"

    assert api.attempt(order.token).status_code == 201
    assert PaymentAttempt.objects.count() == 2


def test_a_provider_that_cannot_be_asked_is_503_and_worth_another_try(
    api: ApiClient, fake: FakeProvider, order: Order
) -> None:
    api.attempt(order.token)
    PaymentAttempt.objects.update(url_given_at=timezone.now() - timedelta(minutes=1))
    fake.fail_next = [Unavailable("away")]

    response = api.attempt(order.token)

    assert code_of(response) == (503, "provider_unreachable")
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(("minutes", "code"), [(60, "order_paid"), (-1, "order_expired")])
def test_nothing_is_opened_for_an_order_that_owes_nothing(
    api: ApiClient, fake: FakeProvider, minutes: int, code: str
) -> None:
    order = make_order(now=timezone.now(), minutes=minutes)
    if code == "order_paid":
        api.attempt(order.token)
        fake.pay(fake.the_payment())
        PaymentAttempt.objects.update(url_given_at=timezone.now() - timedelta(minutes=1))

    assert code_of(api.attempt(order.token)) == (409, code)


# --- what it refuses, each with a sentence ---------------------------------------------------------------------


def test_an_unknown_token_and_a_malformed_one_get_the_same_answer(api: ApiClient, fake: FakeProvider) -> None:
    unknown = api.get(f"{ORDERS}hA7wq3nGk0Vf5yTzP1rLxJ8cE2uMdB4s/")

    assert code_of(unknown) == (404, "not_found")
    for token in ("1", "x" * 5000, "-", "admin"):
        assert api.get(f"{ORDERS}{token}/").content == unknown.content
        assert api.attempt(token).content == unknown.content
    assert code_of(api.get(f"{ORDERS}%00/")) == (404, "not_found")


def test_the_number_of_an_order_opens_nothing(api: ApiClient, order: Order) -> None:
    assert code_of(api.get(f"{ORDERS}{order.number}/")) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/", "/api/v1", "/api/v1/refunds/", "/api/v1/orders/x/y/z/"])
def test_an_address_that_is_none_is_404_and_never_a_redirect_that_loses_the_body(api: ApiClient, path: str) -> None:
    assert code_of(api.post(path, {})) == (404, "not_found")


def test_other_methods_are_405_and_say_which_are_allowed(api: ApiClient, order: Order) -> None:
    for method, path, allowed in (
        ("get", ORDERS, "POST"),
        ("put", ORDERS, "POST"),
        ("options", ORDERS, "POST"),
        ("post", f"{ORDERS}{order.token}/", "GET, HEAD"),
        ("delete", f"{ORDERS}{order.token}/", "GET, HEAD"),
        ("get", f"{ORDERS}{order.token}/attempts/", "POST"),
    ):
        response = getattr(api.http, method)(path)
        assert code_of(response) == (405, "method_not_allowed")
        assert response.headers["Allow"] == allowed


def test_a_cookie_opens_nothing_and_is_never_set(api: ApiClient, mug: Product) -> None:
    """Threat: another site posts with the visitor's cookies. They are not read, so there is nothing to ride on."""
    api.http.force_login(User.objects.create_superuser("boss"))
    response = api.place(sku="MUG")

    assert response.status_code == 201, "no CSRF token is asked for, since no cookie counts"
    assert not response.cookies
    assert IdempotencyRecord.objects.get().principal == "anonymous"


def test_too_many_requests_are_429_and_say_when_to_come_again(
    api: ApiClient, mug: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SimpleRateThrottle, "THROTTLE_RATES", {"anon": "100/min", "orders": "2/min", "attempts": "2/min"}
    )
    assert [api.place(sku="MUG").status_code for _ in range(2)] == [201, 201]

    for forwarded in ("203.0.113.1", "203.0.113.2"):
        refused = api.post(ORDERS, order_of("MUG"), **{"X-Forwarded-For": forwarded})
        assert code_of(refused) == (429, "throttled"), "an invented address is not believed"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert Order.objects.count() == 2

    elsewhere = api.http.post(
        ORDERS, order_of("MUG"), "application/json", REMOTE_ADDR="203.0.113.9", headers={"Idempotency-Key": "k" * 16}
    )
    assert elsewhere.status_code == 201, "others are not punished"


def test_reading_is_throttled_too(api: ApiClient, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threat: guessing tokens, 192 random bits each, and at this pace."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"anon": "2/min"})
    assert [api.get(f"{ORDERS}guess-{n}/").status_code for n in range(3)] == [404, 404, 429]


def test_a_database_that_is_away_is_503_in_the_same_shape(
    api: ApiClient, mug: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("payments.shop.api_operations.place_order_from_lines", away)
    response = api.place(sku="MUG")

    assert code_of(response) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"
    assert b"connection" not in response.content, "no inner words leave"


def test_tokens_are_never_logged(
    api: ApiClient,
    fake: FakeProvider,
    mug: Product,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Threat: whoever reads the logs opens the orders."""
    caplog.set_level("DEBUG")
    made = told(api.place(sku="MUG"))
    attempt = told(api.attempt(made["token"]))
    api.get(f"{ORDERS}{made['token']}/")
    api.post(f"{ORDERS}{made['token']}/attempts/", b"no json")
    api.post(f"{ORDERS}{made['token']}/", {})
    api.get(f"{ORDERS}{made['token']}/nothing/")

    logged = "\n".join([*capfd.readouterr(), *(f"{one.getMessage()} {one.__dict__}" for one in caplog.records)])
    ours = "\n".join(line for line in logged.splitlines() if "django.db.backends" not in line)
    assert "api_order_placed" in ours
    assert made["token"] not in ours
    assert attempt["redirect_url"] not in ours
    assert "ada@example.com" not in ours
