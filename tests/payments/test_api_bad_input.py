"""Whatever is sent: a 4xx with a sentence that helps, never a 5xx, and nothing changes (FAULTS.md, Bad input)."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.throttling import SimpleRateThrottle

from integrations.models import OutboxEvent
from orders.models import Order
from payments.models import IdempotencyRecord
from payments.shop.api_json import MAX_BYTES, NotStrictJson, loads
from tests.factories import make_product
from tests.payments.api_client import NO_LIMITS, ORDERS, ApiClient, code_of, order_of, told

pytestmark = pytest.mark.django_db

GOOD = order_of("MUG")


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop that sells mugs to as many as come."""
    make_product(sku="MUG")
    make_product(sku="YEN", currency="JPY")
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)


@pytest.fixture
def api() -> ApiClient:
    return ApiClient()


def nothing_changed() -> bool:
    return not (Order.objects.exists() or OutboxEvent.objects.exists() or IdempotencyRecord.objects.exists())


def with_raw(member: str, raw: str) -> bytes:
    """Return the good body with one member's JSON text replaced."""
    text = json.dumps(GOOD)
    old = json.dumps(GOOD["lines"][0][member] if member in ("sku", "quantity") else GOOD[member])
    return text.replace(f'"{member}": {old}', f'"{member}": {raw}').encode()


NOT_JSON = {
    "empty": b"",
    "blank": b"   ",
    "truncated": json.dumps(GOOD).encode()[:-3],
    "two values": b"{} {}",
    "invalid UTF-8": b'{"email": "\xff\xfe"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "NaN": with_raw("quantity", "NaN"),
    "Infinity": with_raw("quantity", "-Infinity"),
    "1e999": with_raw("quantity", "1e999"),
    "5,000 digits": with_raw("quantity", "9" * 5000),
    "NUL escaped": with_raw("sku", '"MUG\\u0000"'),
    "NUL raw": with_raw("sku", '"MUG\x00"'),
    "lone surrogate": with_raw("email", '"\\ud800@example.com"'),
    "lone surrogate in a key": b'{"\\udc00": 1}',
    "duplicate keys": b'{"currency": "EUR", ' + json.dumps(GOOD).encode()[1:],
    "deep nesting": b"[" * 60_000,
    "deep nesting, closed": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep nesting in a string it only seems to end": b'"\\"' + b"[" * 60_000,
    "single quotes": b"{'lines': []}",
    "a form": b"sku=MUG&quantity=1",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_strict_json_is_400(api: ApiClient, body: bytes) -> None:
    assert code_of(api.post(ORDERS, body)) == (400, "malformed_json")
    assert nothing_changed()


def lines(*asked: Any) -> dict[str, Any]:
    return {**GOOD, "lines": list(asked)}


REFUSED: dict[str, tuple[Any, str, str]] = {
    "a list at the top": ([GOOD], "invalid", "body"),
    "a string at the top": ("MUG", "invalid", "body"),
    "null": (None, "invalid", "body"),
    "nothing in it": ({}, "invalid", "lines"),
    "a price of one's own": ({**GOOD, "amount_minor": 1}, "invalid", "amount_minor"),
    "a state of one's own": ({**GOOD, "state": "paid"}, "invalid", "state"),
    "a token of one's own": ({**GOOD, "token": "x"}, "invalid", "token"),
    "a price of one's own in a line": (
        lines({"sku": "MUG", "quantity": 1, "unit_price_minor": 1}),
        "invalid",
        "lines[0].unit_price_minor",
    ),
    "an empty name": ({**GOOD, "": 1}, "invalid", "(empty)"),
    "no line": (lines(), "invalid", "lines"),
    "51 lines": (lines(*({"sku": f"S{n}", "quantity": 1} for n in range(51))), "invalid", "lines"),
    "a line that is none": (lines("MUG"), "invalid", "lines[0]"),
    "lines that are an object": ({**GOOD, "lines": {"0": {"sku": "MUG", "quantity": 1}}}, "invalid", "lines"),
    "quantity 0": (order_of("MUG", 0), "invalid", "lines[0].quantity"),
    "quantity -1": (order_of("MUG", -1), "invalid", "lines[0].quantity"),
    "quantity 1.5": (order_of("MUG", 1.5), "invalid", "lines[0].quantity"),
    "quantity 1.0": (order_of("MUG", 1.0), "invalid", "lines[0].quantity"),
    "quantity as text": (order_of("MUG", "1"), "invalid", "lines[0].quantity"),
    "quantity true": (order_of("MUG", True), "invalid", "lines[0].quantity"),
    "quantity null": (order_of("MUG", None), "invalid", "lines[0].quantity"),
    "quantity 10^18": (order_of("MUG", 10**18), "invalid", "lines[0].quantity"),
    "quantity of 20 digits": (order_of("MUG", 10**19), "invalid", "lines[0].quantity"),
    "sku 7": (lines({"sku": 7, "quantity": 1}), "invalid", "lines[0].sku"),
    "sku empty": (order_of(""), "invalid", "lines[0].sku"),
    "sku too long": (order_of("M" * 65), "invalid", "lines[0].sku"),
    "currency of four letters": ({**GOOD, "currency": "EURO"}, "invalid", "currency"),
    "currency a number": ({**GOOD, "currency": 978}, "invalid", "currency"),
    "email an object": ({**GOOD, "email": {"a": 1}}, "invalid", "email"),
    "email endless": ({**GOOD, "email": "a" * 300 + "@example.com"}, "invalid", "email"),
    "quantity over the limit": (order_of("MUG", 11), "quantity_refused", "lines"),
    "a product that is none": (order_of("MUG-99"), "unknown_product", "lines"),
    "a homoglyph": (order_of("МUG"), "unknown_product", "lines"),
    "a line break in the sku": (order_of("MUG\n"), "unknown_product", ""),
    "the same product twice": (lines(*[{"sku": "MUG", "quantity": 1}] * 2), "lines_refused", "lines"),
    "another currency": ({**GOOD, "currency": "JPY"}, "not_sold_in_currency", "lines"),
    "mixed currencies": (
        lines({"sku": "MUG", "quantity": 1}, {"sku": "YEN", "quantity": 1}),
        "not_sold_in_currency",
        "lines",
    ),
    "an unknown currency": ({**GOOD, "currency": "XYZ"}, "currency_refused", ""),
    "currency in small letters": ({**GOOD, "currency": "eur"}, "currency_refused", ""),
    "no address": ({**GOOD, "email": "ada"}, "email_refused", ""),
    "two addresses": ({**GOOD, "email": "a@example.com,b@example.com"}, "email_refused", ""),
    "a header in the address": ({**GOOD, "email": "a@example.com\nBcc: b@example.com"}, "email_refused", ""),
}


@pytest.mark.parametrize(("body", "code", "field"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_ordered_is_400_and_says_where(api: ApiClient, body: Any, code: str, field: str) -> None:
    response = api.post(ORDERS, body)

    assert code_of(response) == (400, code)
    fields = told(response)["error"].get("fields", {})
    assert field in fields if field else not fields
    assert nothing_changed()


@pytest.mark.parametrize("provider", ["paypal", "", "STRIPE", "stripe\n", "../stripe", "other-than-these"])
def test_a_provider_that_is_none_is_400(api: ApiClient, provider: str) -> None:
    token = told(api.post(ORDERS, GOOD))["token"]
    status, code = code_of(api.attempt(token, provider=provider))
    assert (status, code in ("unknown_provider", "invalid")) == (400, True)


@pytest.mark.parametrize(
    ("content_type", "more"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}),
        ("application/json; charset=utf-16", {}),
        ("application/jsonp", {}),
        ("", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
        ("application/json", {"Content-Encoding": "identity, gzip"}),
    ],
)
def test_only_plain_json_is_read(api: ApiClient, content_type: str, more: dict[str, str]) -> None:
    body = gzip.compress(b" " * 10_000_000) if more else json.dumps(GOOD).encode()
    assert code_of(api.post(ORDERS, body, content_type=content_type, **more)) == (415, "unsupported_media_type")
    assert nothing_changed()


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_plain_json_may_name_its_charset(api: ApiClient, content_type: str) -> None:
    assert api.post(ORDERS, GOOD, content_type=content_type).status_code == 201


def test_a_large_body_is_413_before_it_is_read(api: ApiClient) -> None:
    fits = json.dumps(GOOD).encode().ljust(MAX_BYTES)
    assert api.post(ORDERS, fits).status_code == 201
    assert code_of(api.post(ORDERS, fits + b" ")) == (413, "body_too_large")


def test_reading_hostile_json_takes_no_time() -> None:
    for body in (b'"\\"' * 20_000, b'"' + b'\\"' * 32_000, b'"' * 65_000, b"[" * 65_000, b"\\" * 65_000, b"{" * 65_000):
        began = time.monotonic()
        with pytest.raises(NotStrictJson):
            loads(body)
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "\xff"])
def test_answers_are_json_whatever_is_accepted(api: ApiClient, accept: str) -> None:
    assert api.post(ORDERS, GOOD, Accept=accept).status_code == 201


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["MUG", "EUR", 1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["lines", "sku", "quantity", "currency", "email"]), inner
        )
    ),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "lines": st.lists(
            st.fixed_dictionaries({}, optional={"sku": st.just("MUG") | JSON, "quantity": st.integers() | JSON})
        )
        | JSON,
        "currency": st.just("EUR") | JSON,
        "email": st.just("ada@example.com") | JSON,
    },
)
BODIES = (
    st.binary(max_size=300)
    | st.text(alphabet=st.characters(codec="utf-8"), max_size=200).map(str.encode)
    | (JSON | NEARLY).map(lambda value: json.dumps(value).encode())
    | (JSON | NEARLY).map(lambda value: json.dumps(value).encode()[:-1])
)
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@MANY
@given(body=BODIES, key=st.none() | st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n")))
def test_no_body_and_no_key_is_ever_a_5xx(api: ApiClient, body: bytes, key: str | None) -> None:
    response = api.post(ORDERS, body, key=key)
    assert response.status_code in (201, 400, 409, 422)
    assert Order.objects.count() == IdempotencyRecord.objects.count(), "each order has its key, each key its order"


@MANY
@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_json_raises_one_error_only(body: bytes) -> None:
    with contextlib.suppress(NotStrictJson):
        json.dumps(loads(body), allow_nan=False, ensure_ascii=False).encode()
