"""Every door that is open to anybody, with what nobody should send: never a 5xx, no money moves, no time is lost.

More than 7,000 inputs are listed (each list times each place it can stand in); more are drawn from a seed. `make test`
sends 5,000 of the listed ones and 300 of the drawn ones, `make faults` all and 100,000. What exactly is answered is
held elsewhere (test_webhook.py, test_api_bad_input.py, tests/orders/test_storefront.py); here it is what must never be.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from integrations import providers
from integrations.guard import GuardedProvider
from integrations.providers.stripe.adapter import StripeProvider
from orders.models import Order
from tests.factories import make_order, make_product
from tests.payments.api_client import NO_LIMITS, new_key, order_of
from tests.payments.hostile import TEXTS, Dice, latin, quoted

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SECRET = "whsec_" + "d" * 32
MOST_SECONDS = 1.0
"""Of this thread's own time: what others do on the machine does not count."""
MONEY = (
    "orders_order", "orders_orderline", "orders_transition", "payments_paymentattempt", "payments_providercall",
    "payments_capture", "payments_ledgertransaction", "payments_ledgerentry", "payments_case",
    "payments_idempotencyrecord", "integrations_outboxevent", "integrations_delivery",
)  # fmt: skip
EVENT = {
    "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1795262400, "livemode": False,
    "type": "checkout.session.completed", "pending_webhooks": 1, "request": {"id": None},
    "data": {"object": {
        "id": "cs_1", "object": "checkout.session", "client_reference_id": "pa_1", "payment_intent": "pi_1"
    }},
}  # fmt: skip
SEED = 20261121
GENERATED = 100_000
EACH = pytest.mark.parametrize("each", [3, pytest.param(1, marks=pytest.mark.faults)], ids=["a third", "all"])
"""Of the texts in one place, `make test` sends a third, another one in the next place; `make faults` all."""

Send = Callable[[], Any]


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop that sells mugs through Stripe's real adapter, as much as comes."""
    make_product(sku="MUG")
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)
    adapter = StripeProvider(
        environment="test",
        api_key="sk_test_" + "d" * 24,
        webhook_secrets=(SECRET,),
        api_base="http://127.0.0.1:9",  # nobody listens: whatever asked the provider would be a 5xx
    )
    guarded = GuardedProvider(adapter)
    monkeypatch.setattr(providers, "get", lambda name: guarded)
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe",))


@pytest.fixture
def placed() -> Order:
    """Somebody's order, waiting to be paid."""
    return make_order(now=timezone.now())


class Doors:
    """Sends, and holds every answer to what must never be."""

    def __init__(self, order: Order) -> None:
        self.token = order.token
        self.client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
        self.answers: Counter[int] = Counter()

    # --- the doors, each with one place for something hostile --------------------------------------------------

    def webhook(self, body: bytes, header: str | None, **more: Any) -> Any:
        if header is not None:
            more["HTTP_STRIPE_SIGNATURE"] = header
        more = {"CONTENT_TYPE": "application/json", **more}
        return self.sent(lambda: self.client.post("/webhooks/stripe/", body, content_type="application/json", **more))

    def api(self, path: str, body: bytes, key: str | None = "", **more: Any) -> Any:
        if key is not None:
            more["HTTP_IDEMPOTENCY_KEY"] = key or new_key()
        more = {"CONTENT_TYPE": "application/json", **more}
        return self.sent(lambda: self.client.post(f"/api/v1/{path}", body, content_type="application/json", **more))

    def form(self, path: str, **fields: bytes) -> Any:
        body = b"&".join(name.encode() + b"=" + quote_from_bytes(text).encode() for name, text in fields.items())
        kind = "application/x-www-form-urlencoded"
        return self.sent(lambda: self.client.post(path, body, content_type=kind))

    def get(self, path: str, **more: Any) -> Any:
        return self.sent(lambda: self.client.get(path, **more))

    # --- what must never be ------------------------------------------------------------------------------------

    def sent(self, send: Send) -> Any:
        answer, took = _timed(send)
        if took >= MOST_SECONDS:  # once may be the collector, which walks through all that these tests have made so far
            _, took = _timed(send)
        self.answers[answer.status_code] += 1
        assert answer.status_code < 500, answer.content[:300]
        assert took < MOST_SECONDS, f"{took:.1f} s, twice"
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            assert b"<script>alert(1)" not in answer.content
            assert b"onerror=alert(1)>" not in answer.content
        if location := answer.headers.get("Location"):
            assert not urlsplit(location).netloc and re.match(r"/(?![/\\])", location), location
        return answer


def _timed(send: Send) -> tuple[Any, float]:
    """Return the answer, and the seconds of computing that it took."""
    began = time.thread_time()
    answer = send()
    return answer, time.thread_time() - began


@pytest.fixture
def doors(placed: Order) -> Iterator[Doors]:
    """All doors. At the end nothing about money differs from before."""
    before = money()
    found = Doors(placed)
    yield found
    assert money() == before


def money() -> dict[str, tuple[int, str]]:
    """Return how many rows each table about money has, and a digest of them."""
    found = {}
    with connection.cursor() as cursor:
        for table in MONEY:
            cursor.execute(f"SELECT count(*), coalesce(md5(string_agg(t::text, '' ORDER BY t.id)), '') FROM {table} t")
            found[table] = cursor.fetchone()
    return found


def events() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM payments_providerevent")
        (count,) = cursor.fetchone()
    return int(count)


def signed(body: bytes, *, at: int | None = None) -> str:
    at = int(timezone.now().timestamp()) if at is None else at
    return f"t={at},v1={hmac.new(SECRET.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"


# --- listed ----------------------------------------------------------------------------------------------------------

PAGES = (
    "/pay/{}/", "/pay/{}/return/", "/orders/{}/", "/orders/{}/status.json", "/products/{}/", "/basket/again/{}/",
    "/api/v1/orders/{}/", "/api/v1/{}", "/webhooks/{}/", "/{}", "/?{}", "/basket/?page={}", "/admin/?next={}",
    "/static/{}", "/api/schema/?format={}",
)  # fmt: skip
HEADERS = (
    "HTTP_HOST", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_ORIGIN",
    "HTTP_COOKIE", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_REQUEST_ID",
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_AUTHORIZATION", "HTTP_CONTENT_ENCODING", "HTTP_RANGE",
    "HTTP_EXPECT", "CONTENT_LENGTH",
)  # fmt: skip
COOKIES = ("sessionid", "csrftoken", "django_language", "messages")
FIELDS: dict[str, dict[str, bytes]] = {
    "/basket/add/": {"sku": b"MUG", "quantity": b"1"},
    "/basket/change/": {"sku": b"MUG", "quantity": b"1"},
    "/basket/remove/": {"sku": b"MUG"},
    "/currency/": {"currency": b"EUR", "next": b"/"},
    "/checkout/": {"email": b"ada@example.com", "basket": b"x", "seen": b"x"},
    "/pay/{token}/": {"provider": b"stripe"},
}
UNSIGNED = (
    None, "", "t=1", "v1=0", "t={now}", "t={now},v1=", "t={now},v0={good}", "t={now},v1={good}0", "t={now}, v1={good}",
    "t={now},v1={GOOD}", "t={old},v1={good}", "t={future},v1={good}", "t=-1,v1={good}", "t=1e9,v1={good}", "{good}",
    "Bearer {good}", "t={now},v1={good},t={now}", "t={now},t={now},v1={good}", "t={now};v1={good}", "T={now},V1={good}",
)  # fmt: skip


def bodies() -> dict[str, bytes]:
    """Return bodies that are no event, or one with a hostile text in each place."""
    whole = json.dumps(EVENT).encode()
    found = {
        "empty": b"", "cut": whole[:-1], "twice": whole * 2, "in a list": b"[" + whole + b"]", "null": b"null",
        "UTF-16": whole.decode().encode("utf-16"), "deep": b"[" * 100_000, "deep object": b'{"a":' * 100_000,
        "one mebibyte and one": whole + b" " * (1024 * 1024), "NUL": whole.replace(b"evt_1", b"evt\x00"),
        "twice the same key": whole.replace(b'"livemode": false', b'"livemode": false, "livemode": true'),
    }  # fmt: skip
    for name in ("evt_1", "cs_1", "pa_1", "pi_1", "checkout.session.completed", "event"):
        for kind, text in TEXTS.items():
            raw = json.dumps(text.decode("latin-1")).encode()
            found[f"{name}: {kind}"] = whole.replace(f'"{name}"'.encode(), raw, 1)
            found[f"{name}: {kind}, raw"] = whole.replace(f'"{name}"'.encode(), b'"' + text + b'"', 1)
    return found


def test_pages_with_hostile_tokens_and_queries(doors: Doors) -> None:
    for page in PAGES:
        for text in TEXTS.values():
            doors.get(page.format(quoted(text)))
    assert doors.answers.total() >= 1_400


@EACH
def test_pages_with_hostile_headers(doors: Doors, each: int) -> None:
    texts = list(TEXTS.values())
    for number, header in enumerate(HEADERS):
        for text in texts[number % each :: each]:
            doors.get(f"/orders/{doors.token}/status.json", **{header: latin(text)})
    for number, cookie in enumerate(COOKIES):
        for text in texts[number % each :: each]:
            doors.get("/basket/", HTTP_COOKIE=f"{cookie}={latin(text)}")
    assert doors.answers.total() >= 2_000 // each


@EACH
def test_forms_with_hostile_fields(doors: Doors, each: int) -> None:
    places = [(path, fields, name) for path, fields in FIELDS.items() for name in fields]
    for number, (path, fields, name) in enumerate(places):
        for text in list(TEXTS.values())[number % each :: each]:
            if name == "provider" and not text.strip():
                continue  # the only one is meant: as good as a press of *Pay*
            doors.form(path.format(token=doors.token), **{**fields, name: text})
    assert doors.answers.total() >= 1_000 // each


def test_the_webhook_with_every_wrong_signature(doors: Doors) -> None:
    now, known = int(timezone.now().timestamp()), events()
    for body in list(bodies().values())[::30]:
        good = signed(body, at=now).rpartition("=")[2]
        for header in UNSIGNED:
            words = {"now": now, "old": now - 301, "future": now + 400, "good": good, "GOOD": good.upper()}
            doors.webhook(body, header.format(**words) if header is not None else None)
    assert events() == known
    assert set(doors.answers) <= {400, 413, 429}
    assert doors.answers.total() >= 750


def test_the_webhook_with_signed_bodies_that_are_no_event_of_ours(doors: Doors) -> None:
    """Signed by the provider itself, as it were. A readable event is stored; that is all that happens."""
    for body in bodies().values():
        answer = doors.webhook(body, signed(body))
        assert answer.status_code in (200, 400, 413, 429)
    assert doors.answers.total() >= 1_000


def test_the_api_with_hostile_members_and_keys(doors: Doors) -> None:
    for text in TEXTS.values():
        word = text.decode("latin-1")
        for place in ("sku", "quantity"):
            line = {"sku": "MUG", "quantity": 1} | {place: word}
            doors.api("orders/", json.dumps({**order_of("MUG"), "lines": [line]}).encode())
        for member in ("lines", "currency", "state", "x"):
            doors.api("orders/", json.dumps({**order_of("MUG"), member: word}).encode())
        doors.api("orders/", json.dumps({**order_of("MUG"), "email": f"{word} <"}).encode())
        doors.api("orders/", b'{"sku": "' + text + b'"')
        doors.api("orders/", b"{}", key=latin(text) or None)
        doors.api(f"orders/{quoted(text)}/attempts/", b'{"provider": "stripe"}')
        doors.api(f"orders/{doors.token}/attempts/", json.dumps({"provider": f"{word}!"}).encode())
    assert doors.answers.total() >= 1_000
    assert set(doors.answers) <= {400, 404, 405, 413, 415}


# --- drawn from a seed -----------------------------------------------------------------------------------------------


def throw(doors: Doors, dice: Dice) -> None:
    """Send one hostile thing that the dice choose to the door that they choose."""
    draw = dice.random
    kind = draw.randrange(10)
    if kind < 3:
        body = dice.json(EVENT)
        good = signed(body)
        header = draw.choice(
            (signed(b"another body"), latin(dice.text()), dice.mutated(good.encode()).decode("latin-1"))
        )
        # A mutation may leave time and signature as they were.
        allowed = (200,) if all(part in header for part in good.split(",")) else ()
        assert doors.webhook(body, header.replace("\n", " ")).status_code in (*allowed, 400, 413, 429)
    elif kind < 5:
        body = dice.json(EVENT)
        assert doors.webhook(body, signed(body)).status_code in (200, 400, 429)
    elif kind < 7:
        body = dice.json({**order_of("MUG"), "email": "nobody"})
        assert doors.api("orders/", body, key=draw.choice(("", latin(dice.text())))).status_code in (400, 404, 405)
    elif kind < 8:
        path = draw.choice([path for path in FIELDS if "token" not in path])
        fields = {name: dice.text() if draw.random() < 0.7 else good for name, good in FIELDS[path].items()}
        doors.form(path, **fields)
    elif kind < 9:
        doors.get(draw.choice(PAGES).format(quoted(dice.text())))
    else:
        headers = {draw.choice(HEADERS): latin(dice.text()) for _ in range(draw.randint(1, 3))}
        doors.get(draw.choice(("/", "/basket/", f"/orders/{doors.token}/")), **headers)


def test_a_few_hundred_drawn_from_a_seed(doors: Doors) -> None:
    for number in range(300):
        throw(doors, Dice(SEED + number))


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(20))
def test_a_hundred_thousand_drawn_from_a_seed(doors: Doors, part: int) -> None:
    """In parts, since all of a part is one transaction. A failing one is played again by its number."""
    share = GENERATED // 20
    for number in range(part * share, (part + 1) * share):
        try:
            throw(doors, Dice(number))
        except AssertionError as error:
            raise AssertionError(f"Dice({number}): {error}") from error
    print(f"part {part}: {dict(doors.answers)}")
