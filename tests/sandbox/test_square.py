"""Square's stand-in is as strict as Square: unknown members, keys, cursors, tokens once, its words, its signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from integrations.sandbox.control import ControlError
from integrations.sandbox.square_control import SquareControl
from tests.conformance.square import LOCATION, SIGNATURE_KEY, TOKEN, running
from tests.sandbox import square_shapes
from tests.sandbox.process import Receiver, SandboxProcess

CARD = "4111111111111111"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Square-Version": "2026-09-16"}

described = pytest.mark.skipif(
    square_shapes.description_file() is None, reason="Square's published description is not at hand"
)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    yield from running(tmp_path_factory.mktemp("square"), webhook_url="http://127.0.0.1:9/none")


@pytest.fixture
def control(process: SandboxProcess, receiver: Receiver) -> SquareControl:
    control = SquareControl(process.url)
    control.reset()
    control.enable_events(enabled=False)
    control.hold_refunds(hold=False)
    control.set_webhook(url=receiver.url, secrets=[SIGNATURE_KEY], retry_seconds=[0.05])
    return control


Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(control: SquareControl) -> Ask:
    """Asks the API: method, path, body."""

    def asking(method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        return requests.request(method, control.url + path, json=body, headers=HEADERS | headers, timeout=10)

    return asking


def order_body(**more: Any) -> dict[str, Any]:
    line = {"name": "Tea", "quantity": "2", "base_price_money": {"amount": 2495, "currency": "EUR"}}
    return {"location_id": LOCATION, "reference_id": "pa_1", "line_items": [line], **more}


def payment_body(**more: Any) -> dict[str, Any]:
    return {
        "source_id": "cnon:card-nonce-ok",
        "idempotency_key": str(uuid.uuid4()),
        "amount_money": {"amount": 4990, "currency": "EUR"},
        **more,
    }


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    """Status, code and field of a refusal, which has Square's shape."""
    body = answer.json()
    [said] = body["errors"]
    assert set(said) <= {"category", "code", "detail", "field"}
    return answer.status_code, said["code"], said.get("field", "")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v2/payments", payment_body(colour="red"), (400, "BAD_REQUEST", "colour")),
        ("/v2/payments", payment_body(amount_money={"amount": 1, "currency": "EUR", "x": 1}),
         (400, "BAD_REQUEST", "amount_money.x")),
        ("/v2/payments", {"source_id": "x"}, (400, "MISSING_REQUIRED_PARAMETER", "idempotency_key")),
        ("/v2/payments", payment_body(idempotency_key="k" * 46), (400, "VALUE_TOO_LONG", "idempotency_key")),
        ("/v2/payments", payment_body(idempotency_key=""), (400, "VALUE_EMPTY", "idempotency_key")),
        ("/v2/payments", payment_body(reference_id="r" * 41), (400, "VALUE_TOO_LONG", "reference_id")),
        ("/v2/payments", payment_body(amount_money={"amount": "4990", "currency": "EUR"}),
         (400, "EXPECTED_INTEGER", "amount_money.amount")),
        ("/v2/payments", payment_body(amount_money={"amount": 0, "currency": "EUR"}),
         (400, "VALUE_TOO_LOW", "amount_money.amount")),
        ("/v2/payments", payment_body(amount_money={"amount": 1, "currency": "eur"}),
         (400, "INVALID_ENUM_VALUE", "amount_money.currency")),
        ("/v2/payments", payment_body(amount_money={"amount": 1, "currency": "USD"}),
         (400, "BAD_REQUEST", "amount_money.currency")),
        ("/v2/payments", payment_body(autocomplete="yes"), (400, "EXPECTED_BOOLEAN", "autocomplete")),
        ("/v2/payments", payment_body(source_id="cnon:nobody"), (404, "NOT_FOUND", "")),
        ("/v2/payments", payment_body(order_id="nobody"), (404, "NOT_FOUND", "")),
        ("/v2/orders", {"order": order_body(), "idempotency_key": "k" * 193},
         (400, "VALUE_TOO_LONG", "idempotency_key")),
        ("/v2/orders", {"order": order_body(reference_id="r" * 41)}, (400, "VALUE_TOO_LONG", "order.reference_id")),
        ("/v2/orders", {"order": order_body(location_id="L2")}, (400, "NOT_FOUND", "order.location_id")),
        ("/v2/orders", {"order": {}}, (400, "MISSING_REQUIRED_PARAMETER", "order.location_id")),
        ("/v2/online-checkout/payment-links", {}, (400, "BAD_REQUEST", "order")),
        ("/v2/refunds", {"idempotency_key": "k", "amount_money": {"amount": 1, "currency": "EUR"}, "payment_id": "P"},
         (404, "NOT_FOUND", "")),
        ("/v2/disputes/D/accept", None, (404, "NOT_FOUND", "")),
        ("/v2/events", {}, (400, "FORBIDDEN", "")),
        ("/v2/customers", {}, (404, "NOT_FOUND", "")),
    ],
)  # fmt: skip
def test_what_square_would_refuse_is_refused_in_its_words(
    ask: Ask, path: str, body: Any, said: tuple[int, str, str]
) -> None:
    assert refusal(ask("POST", path, body)) == said


def test_who_may_ask(ask: Ask, control: SquareControl) -> None:
    assert refusal(ask("GET", "/v2/locations", Authorization=""))[:2] == (401, "UNAUTHORIZED")
    assert refusal(ask("GET", "/v2/locations", Authorization=f"Basic {TOKEN}"))[:2] == (401, "UNAUTHORIZED")
    assert refusal(ask("GET", "/v2/locations", **{"Square-Version": "2020-01-01"}))[0] == 400
    assert requests.post(f"{control.url}/v2/payments", data="{", headers=HEADERS, timeout=10).status_code == 415


def test_a_key_is_remembered_and_never_reused(ask: Ask, control: SquareControl) -> None:
    body = payment_body()
    first = ask("POST", "/v2/payments", body)
    assert ask("POST", "/v2/payments", body).json() == first.json()
    assert refusal(ask("POST", "/v2/payments", {**body, "note": "x"}))[:2] == (400, "IDEMPOTENCY_KEY_REUSED")
    assert len(control.money()) == 1
    declined = payment_body(source_id="cnon:card-nonce-declined")
    assert ask("POST", "/v2/payments", declined).status_code == 402
    assert ask("POST", "/v2/payments", declined).json() == ask("POST", "/v2/payments", declined).json()
    assert sum(len(told["payments"]) for told in control.money()) == 2


def test_a_refused_body_leaves_its_key_free(ask: Ask) -> None:
    body = payment_body()
    ask("POST", "/v2/payments", {**body, "colour": "red"})
    assert ask("POST", "/v2/payments", body).status_code == 200


def test_a_payment_by_key_can_be_cancelled(ask: Ask, control: SquareControl) -> None:
    body = payment_body(autocomplete=False)
    held = ask("POST", "/v2/payments", body).json()["payment"]
    assert held["status"] == "APPROVED"
    assert ask("POST", "/v2/payments/cancel", {"idempotency_key": body["idempotency_key"]}).json() == {}
    assert control.get(held["id"])["status"] == "CANCELED"
    assert ask("POST", "/v2/payments/cancel", {"idempotency_key": "of-nobody"}).json() == {}
    completed = ask("POST", "/v2/payments", payment_body(autocomplete=False)).json()["payment"]["id"]
    assert ask("POST", f"/v2/payments/{completed}/complete").json()["payment"]["status"] == "COMPLETED"
    assert ask("POST", f"/v2/payments/{completed}/cancel").status_code == 400


def test_a_token_pays_once_and_not_after_a_day(ask: Ask, control: SquareControl) -> None:
    token = control.token()
    assert ask("POST", "/v2/payments", payment_body(source_id=token)).status_code == 200
    assert refusal(ask("POST", "/v2/payments", payment_body(source_id=token)))[1] == "CARD_TOKEN_USED"
    old = control.token()
    control.advance_clock(seconds=24 * 3600 + 1)
    assert refusal(ask("POST", "/v2/payments", payment_body(source_id=old)))[1] == "CARD_TOKEN_EXPIRED"
    control.set_clock(offset_seconds=0)


def test_an_order_is_changed_by_its_version_only(ask: Ask) -> None:
    order = ask("POST", "/v2/orders", {"order": order_body()}).json()["order"]
    path = f"/v2/orders/{order['id']}"
    assert refusal(ask("PUT", path, {"order": {"version": 7, "state": "CANCELED"}}))[1] == "VERSION_MISMATCH"
    changed = ask("PUT", path, {"order": {"version": 1, "state": "CANCELED"}}).json()["order"]
    assert (changed["state"], changed["version"]) == ("CANCELED", 2)
    assert ask("PUT", path, {"order": {"version": 2, "state": "OPEN"}}).status_code == 400
    assert ask("POST", "/v2/payments", payment_body(order_id=order["id"])).status_code == 400


def test_a_middle_page_is_empty_and_cursors_belong_to_their_query(ask: Ask) -> None:
    for _ in range(3):
        ask("POST", "/v2/payments", payment_body())
    sizes, cursor = [], ""
    while True:
        page = ask("GET", f"/v2/payments?limit=1{f'&cursor={cursor}' if cursor else ''}").json()
        sizes.append(len(page["payments"]))
        cursor = page.get("cursor", "")
        if not cursor:
            break
        assert refusal(ask("GET", f"/v2/payments?limit=2&cursor={cursor}"))[1] == "INVALID_CURSOR"
    assert sizes == [1, 0, 1, 1]
    assert refusal(ask("GET", "/v2/payments?cursor=nonsense"))[1] == "INVALID_CURSOR"
    assert refusal(ask("GET", "/v2/payments?colour=red"))[2] == "colour"


def test_webhooks_are_signed_for_the_configured_url(ask: Ask, control: SquareControl, receiver: Receiver) -> None:
    ask("POST", "/v2/payments", payment_body(reference_id="pa_1"))
    told = ["payment.created", "payment.updated", "payment.updated"]
    receiver.wait_for(lambda: sorted(receiver.types()) == told)
    for sent in receiver.received:
        digest = hmac.new(SIGNATURE_KEY.encode(), receiver.url.encode() + sent.body, hashlib.sha256).digest()
        assert sent.headers["x-square-hmacsha256-signature"] == base64.b64encode(digest).decode()
    [created] = [sent.event for sent in receiver.received if sent.event["type"] == "payment.created"]
    assert isinstance(created["data"], dict)
    assert "processing_fee" not in created["data"]["object"]["payment"], "the fee comes later"


def test_the_frame_hands_out_tokens_and_keeps_no_number(control: SquareControl) -> None:
    script = requests.get(f"{control.url}/v1/square.js", timeout=10)
    assert script.headers["Content-Type"].startswith("text/javascript")
    frame = requests.get(f"{control.url}/frame/card", timeout=10)
    assert "script-src 'self'" in frame.headers["Content-Security-Policy"]
    card = {"number": CARD, "expiry": "12/34", "cvc": "111"}
    answer = requests.post(f"{control.url}/frame/tokens", data=card, timeout=10).json()
    assert answer["status"] == "OK"
    assert answer["token"].startswith("cnon:")
    wrong = requests.post(f"{control.url}/frame/tokens", data={**card, "number": "4111111111111112"}, timeout=10).json()
    assert (wrong["status"], wrong["errors"][0]["field"]) == ("Invalid", "number")
    assert CARD not in repr(control.requests())
    assert CARD not in json.dumps(control.get(answer["token"]))


def test_the_links_page_is_without_script_and_a_double_press_pays_once(ask: Ask, control: SquareControl) -> None:
    body = {"order": order_body(), "checkout_options": {"redirect_url": "https://shop.example/back/?a=1"}}
    link = ask("POST", "/v2/online-checkout/payment-links", body).json()["payment_link"]
    page = requests.get(link["url"], timeout=10)
    assert "<script" not in page.text
    assert "form-action 'self' https://shop.example" in page.headers["Content-Security-Policy"]
    attempt = re.search(r'name="attempt" value="([^"]+)"', page.text)
    assert attempt is not None
    form = {"method": "card", "attempt": attempt[1], "number": CARD, "expiry": "12/34", "cvc": "123"}
    answers = [requests.post(link["url"], data=form, timeout=10, allow_redirects=False) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {303}
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert answers[0].headers["Location"].startswith("https://shop.example/back/?a=1&checkoutId=")
    assert [told["captured_minor"] for told in control.money()] == [4990]
    assert ask("DELETE", f"/v2/online-checkout/payment-links/{link['id']}").json() == {"id": link["id"]}
    assert ask("GET", f"/v2/online-checkout/payment-links/{link['id']}").status_code == 404


def test_the_control_api_is_not_for_browsers(control: SquareControl) -> None:
    answer = requests.post(
        f"{control.url}/_sandbox/reset", json={}, headers={"Origin": "https://evil.example"}, timeout=5
    )
    assert answer.status_code == 403
    with pytest.raises(ControlError):
        control.pay_link("NOBODY")


@described
def test_answers_are_as_square_describes_them(ask: Ask, control: SquareControl) -> None:
    control.enable_events()
    link = ask("POST", "/v2/online-checkout/payment-links", {"order": order_body(), "payment_note": "pa_1"}).json()
    order_id, link_id = link["payment_link"]["order_id"], link["payment_link"]["id"]
    paid = control.pay_link(link_id).payment["id"]
    refund = control.refund_payment(paid, amount=90, reason="Broken")
    token = ask("POST", "/v2/payments", payment_body(order_id=None, reference_id="pa_2")).json()["payment"]["id"]
    dispute = control.dispute_payment(token)["id"]
    evidence = {"idempotency_key": "e", "evidence_type": "GENERIC_EVIDENCE", "evidence_text": "Delivered."}
    text = ask("POST", f"/v2/disputes/{dispute}/evidence-text", evidence).json()
    payout = control.make_payout()["id"]
    wanted = {
        "/v2/payments": "/v2/payments",
        "/v2/payments/{payment_id}": f"/v2/payments/{paid}",
        "/v2/refunds": "/v2/refunds",
        "/v2/refunds/{refund_id}": f"/v2/refunds/{refund['id']}",
        "/v2/orders/{order_id}": f"/v2/orders/{order_id}",
        "/v2/online-checkout/payment-links/{id}": f"/v2/online-checkout/payment-links/{link_id}",
        "/v2/disputes": "/v2/disputes",
        "/v2/disputes/{dispute_id}": f"/v2/disputes/{dispute}",
        "/v2/disputes/{dispute_id}/evidence": f"/v2/disputes/{dispute}/evidence",
        "/v2/payouts": "/v2/payouts",
        "/v2/payouts/{payout_id}": f"/v2/payouts/{payout}",
        "/v2/payouts/{payout_id}/payout-entries": f"/v2/payouts/{payout}/payout-entries",
        "/v2/locations": "/v2/locations",
        "/v2/locations/{location_id}": "/v2/locations/main",
        "/v2/merchants/{merchant_id}": "/v2/merchants/me",
    }
    for path, asked in wanted.items():
        answer = ask("GET", asked)
        assert answer.status_code == 200, path
        assert square_shapes.problems("GET", path, answer.json()) == [], path
    assert square_shapes.problems("POST", "/v2/online-checkout/payment-links", link) == []
    assert square_shapes.problems("POST", "/v2/disputes/{dispute_id}/evidence-text", text) == []
    found = ask("POST", "/v2/events", {}).json()
    assert found["events"]
    assert square_shapes.problems("POST", "/v2/events", found) == []
    declined = ask("POST", "/v2/payments", payment_body(source_id="cnon:card-nonce-declined")).json()
    assert square_shapes.problems("POST", "/v2/payments", declined) == []


@described
def test_what_the_adapter_sends_is_as_square_describes_it(control: SquareControl) -> None:
    from integrations.contract import Presentation
    from tests.conformance.square import adapter, new_key, start_request

    square = adapter(control.url)
    for presentation in Presentation:
        square.start(start_request(presentation=presentation), idempotency_key=new_key())
    links, orders = "/v2/online-checkout/payment-links", "/v2/orders"
    for path in (links, orders):
        [sent] = control.requests(method="POST", path_prefix=path)
        assert square_shapes.problems("POST", path, sent.params, what="request") == [], path


@described
def test_the_check_of_shapes_can_fail() -> None:
    assert square_shapes.of_schema("Payment", {"id": 1, "colour": "red"}) == [
        "Payment.id is a int, not string",
        "Payment.colour is not described",
    ]
