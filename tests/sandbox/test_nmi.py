"""NMI's stand-in is as strict as NMI: tokens once, no idempotency, settlement, its own words, webhooks by nonce."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import fromstring

import pytest
import requests

from integrations.sandbox.control import ControlError
from integrations.sandbox.nmi import cards
from integrations.sandbox.nmi_control import NmiControl
from integrations.sandbox.wire import luhn_valid
from tests.sandbox.process import Receiver, SandboxProcess

KEY = "sandbox_security_of_tests"
SIGNING_KEY = "a-signing-key-of-the-tests"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(
        tmp_path_factory.mktemp("nmi"), provider="nmi", webhook_url="http://127.0.0.1:9/none",
        webhook_secret=SIGNING_KEY, arguments=("--account", "123456"),
    ).start()  # fmt: skip
    yield process
    assert process.stop() == ""


@pytest.fixture
def control(process: SandboxProcess, receiver: Receiver) -> NmiControl:
    control = NmiControl(process.url)
    control.reset()
    control.set_webhook(url=receiver.url, secrets=[SIGNING_KEY], retry_seconds=[0.05, 0.05])
    return control


def transact(control: NmiControl, **fields: str) -> dict[str, str]:
    answer = requests.post(f"{control.url}/api/transact.php", data={"security_key": KEY, **fields}, timeout=10)
    assert answer.status_code == 200
    return dict(parse_qsl(answer.text, keep_blank_values=True))


def sale(control: NmiControl, **changes: str) -> dict[str, str]:
    wanted = {"type": "sale", "payment_token": changes.pop("token", "") or control.token(), "amount": "49.90",
              "currency": "EUR", "orderid": "pa_1"}  # fmt: skip
    return transact(control, **(wanted | changes))


def query(control: NmiControl, **fields: str) -> Any:
    answer = requests.post(f"{control.url}/api/query.php", data={"security_key": KEY, **fields}, timeout=10)
    assert answer.status_code == 200
    return fromstring(answer.text)


def conditions(control: NmiControl, order_id: str = "pa_1") -> list[str]:
    return [each.findtext("condition") for each in query(control, order_id=order_id).findall("transaction")]


def test_a_sale_and_its_settlement(control: NmiControl) -> None:
    made = sale(control)
    assert (made["response"], made["response_code"], made["orderid"]) == ("1", "100", "pa_1")
    assert list(made)[-1] == "response_code", "readers tell by it that the answer is whole"
    [told] = query(control, order_id="pa_1").findall("transaction")
    assert told.findtext("transaction_id") == made["transactionid"]
    assert (told.findtext("condition"), told.findtext("currency")) == ("pendingsettlement", "EUR")
    assert told.findtext("action/amount") == "49.90"
    control.settle_day()
    assert conditions(control) == ["complete"]


def test_a_token_pays_once_whatever_came_of_it(control: NmiControl) -> None:
    for card in ("4111111111111111", "4000000000009995"):
        token = control.token(card=card)
        sale(control, token=token)
        again = sale(control, token=token)
        assert (again["response"], again["response_code"]) == ("3", "300")
        assert again["responsetext"].startswith("Payment Token does not exist REFID:")
    assert len(control.of_order("pa_1")) == 2


def test_a_token_lives_for_a_day(control: NmiControl) -> None:
    token = control.token()
    control.advance_clock(seconds=24 * 3600)
    assert sale(control, token=token)["response"] == "3"


def test_the_same_order_twice_is_two_sales(control: NmiControl) -> None:
    """There is no idempotency: whoever posts twice pays twice."""
    sale(control, dup_seconds="0")
    sale(control, dup_seconds="0")
    assert conditions(control) == ["pendingsettlement", "pendingsettlement"]


def test_its_duplicate_check_is_fuzzy_and_of_the_whole_account(control: NmiControl) -> None:
    sale(control)
    refused = sale(control, orderid="pa_of_somebody_else")
    assert refused["responsetext"].startswith("Duplicate transaction REFID:")
    assert sale(control, orderid="pa_3", amount="49.91")["response"] == "1"
    control.advance_clock(seconds=1300)
    assert sale(control, orderid="pa_2")["response"] == "1"


@pytest.mark.parametrize("number", [number for number, does in cards.CARDS.items() if does.response == 2])
def test_each_declined_card_leaves_a_failed_sale(number: str, control: NmiControl) -> None:
    assert luhn_valid(number)
    made = sale(control, token=control.token(card=number))
    assert (made["response"], made["response_code"]) == ("2", str(cards.CARDS[number].code))
    assert conditions(control) == ["failed"]
    assert control.sales()[0]["captured_minor"] == 0


def test_small_amounts_and_cards_nobody_knows_decline(control: NmiControl) -> None:
    assert sale(control, amount="0.99")["response"] == "2"
    assert sale(control, token=control.token(card="378282246310005"))["response"] == "2"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"security_key": "sk"}, "Authentication Failed"),
        ({"type": "steal"}, "Invalid Transaction Type"),
        ({"ccnumber": "4111111111111111"}, "Card data must not pass through the shop"),
        ({"cvv": "123"}, "Card data must not pass through the shop"),
        ({"discount": "1"}, "Unknown field discount"),
        ({"amount": ""}, "amount is required"),
        ({"orderid": ""}, "orderid is required"),
        ({"amount": "49.9"}, "Invalid amount"),
        ({"amount": "49,90"}, "Invalid amount"),
        ({"amount": "0.00"}, "Invalid amount"),
        ({"amount": "-1.00"}, "Invalid amount"),
        ({"currency": "JPY"}, "The currency is not supported by the processor"),
        ({"dup_seconds": "forever"}, "Invalid dup_seconds"),
        ({"orderid": "x" * 65}, "Invalid orderid"),
    ],
)
def test_what_it_refuses_uses_up_no_token(changes: dict[str, str], words: str, control: NmiControl) -> None:
    token = control.token()
    refused = sale(control, token=token, **changes)
    assert (refused["response"], refused["response_code"]) == ("3", "300")
    assert refused["responsetext"].startswith(words)
    assert re.search(r"REFID:\d{10}$", refused["responsetext"])
    assert control.of_order("pa_1") == []
    assert sale(control, token=token)["response"] == "1"


def test_before_settlement_it_can_be_voided_and_not_refunded(control: NmiControl) -> None:
    made = sale(control)
    refused = transact(control, type="refund", transactionid=made["transactionid"], amount="1.00")
    assert refused["responsetext"].startswith("Only settled transactions can be refunded")
    assert transact(control, type="void", transactionid=made["transactionid"])["response"] == "1"
    assert conditions(control) == ["canceled"]
    again = transact(control, type="void", transactionid=made["transactionid"])
    assert again["responsetext"].startswith("Only transactions pending settlement can be voided")


def test_after_settlement_it_can_be_refunded_up_to_its_amount_and_not_voided(control: NmiControl) -> None:
    made = sale(control)
    control.settle_day()
    ids = {"transactionid": made["transactionid"]}
    assert transact(control, type="void", **ids)["response"] == "3"
    for amount, response in (("40.00", "1"), ("9.91", "3"), ("9.90", "1"), ("0.01", "3")):
        assert transact(control, type="refund", amount=amount, **ids)["response"] == response, amount
    given = [
        each
        for each in query(control, order_id="pa_1").findall("transaction")
        if each.findtext("action/action_type") == "refund"
    ]
    assert [each.findtext("original_transaction_id") for each in given] == [made["transactionid"]] * 2
    assert control.sales()[0]["refunded_minor"] == 4990


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"security_key": "sk"}, "Invalid Security Key"), ({"report_type": "everything"}, "Invalid report_type"),
        ({"condition": "done"}, "Invalid condition"), ({"action_type": "steal"}, "Invalid action_type"),
        ({"start_date": "2026-11-21"}, "Invalid start_date"), ({"start_date": "20261399000000"}, "Invalid start_date"),
        ({"result_limit": "-1"}, "Invalid page"), ({"oder_id": "pa_1"}, "Unknown field oder_id"),
    ],
)  # fmt: skip
def test_a_question_it_does_not_understand_is_refused(fields: dict[str, str], words: str, control: NmiControl) -> None:
    assert query(control, **fields).findtext("error_response").startswith(words)


def test_reports_by_time_condition_and_page(control: NmiControl) -> None:
    ids = [control.sell(order_id=f"pa_{number}", amount=1000 + number)["id"] for number in range(5)]
    pages = [
        [
            each.findtext("transaction_id")
            for each in query(control, result_limit="2", page_number=str(page)).findall("transaction")
        ]
        for page in range(4)
    ]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert sorted(each for page in pages for each in page) == sorted(ids)
    assert len(query(control, condition="pendingsettlement,complete").findall("transaction")) == 5
    assert query(control, condition="failed").findall("transaction") == []
    assert query(control, end_date="20200101000000").findall("transaction") == []
    assert query(control, transaction_id=",".join(ids[:2])).findall("transaction")[1].findtext("order_id") == "pa_1"


def test_the_accounts_test_mode_is_told(control: NmiControl) -> None:
    for on in (False, True):
        control.test_mode(on=on)
        assert query(control, report_type="test_mode_status").findtext("test_mode_enabled") == str(on).lower()


def test_webhooks_are_signed_over_a_fresh_nonce(control: NmiControl, receiver: Receiver) -> None:
    receiver.answers = [202, 500]
    made = sale(control)
    receiver.wait_for(lambda: len(receiver.received) == 3)
    nonces = set()
    for received in receiver.received:
        nonce, _, signature = received.headers["Webhook-Signature"].removeprefix("t=").partition(",s=")
        wanted = hmac.new(SIGNING_KEY.encode(), nonce.encode() + b"." + received.body, hashlib.sha256).hexdigest()
        assert signature == wanted
        nonces.add(nonce)
    assert len(nonces) == 3, "202 is no 200 for NMI: it came again"
    assert len({received.body for received in receiver.received}) == 1
    event = json.loads(receiver.received[0].body)
    assert event["event_type"] == "transaction.sale.success"
    assert event["event_body"]["transaction_id"] == made["transactionid"]
    assert event["event_body"]["features"] == {"is_test_mode": True}
    assert event["event_body"]["merchant"]["id"] == "123456"


def test_what_happens_is_told_by_its_type(control: NmiControl, receiver: Receiver) -> None:
    made = sale(control)
    sale(control, token=control.token(card="4000000000000002"), orderid="pa_2")
    control.settle_day()
    transact(control, type="refund", transactionid=made["transactionid"], amount="1.00")
    other = sale(control, orderid="pa_3", amount="5.00")
    transact(control, type="void", transactionid=other["transactionid"])
    receiver.wait_for(lambda: len(receiver.received) == 6)
    assert sorted(json.loads(each.body)["event_type"] for each in receiver.received) == [
        "settlement.batch.complete", "transaction.refund.success", "transaction.sale.failure",
        "transaction.sale.success", "transaction.sale.success", "transaction.void.success",
    ]  # fmt: skip


class TestFrames:
    """What a browser gets, and what it may ask."""

    def test_the_script_and_the_frames_run_under_a_strict_policy(self, control: NmiControl) -> None:
        for path in (
            "Collect.js",
            "frame.js",
            "frame.css",
            "frame?field=ccnumber",
            "frame?field=ccexp",
            "frame?field=cvv",
        ):
            answer = requests.get(f"{control.url}/token/{path}", timeout=10)
            assert answer.status_code == 200, path
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        assert requests.get(f"{control.url}/token/frame?field=password", timeout=10).status_code == 404

    def test_a_token_is_made_for_a_frame_of_the_gateway_only(self, control: NmiControl) -> None:
        typed = {
            "tokenization_key": "sandbox_token_of_tests",
            "number": "4111 1111 1111 1111",
            "expiry": "12/34",
            "cvv": "123",
        }
        url = f"{control.url}/token/create"
        made = requests.post(url, json=typed, timeout=10).json()
        assert made["card"] == {"number": "4xxxxxxxxxxx1111", "exp": "1234"}
        foreign = requests.post(url, json=typed, headers={"Origin": "http://127.0.0.1:9"}, timeout=10)
        assert foreign.status_code == 403
        wrong = requests.post(url, json={**typed, "tokenization_key": KEY}, timeout=10)
        assert wrong.status_code == 401, "the security key is no key for browsers"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [({"number": "4111111111111112"}, "ccnumber"), ({"number": ""}, "ccnumber"), ({"expiry": "13/34"}, "ccexp"),
         ({"expiry": "01/20"}, "ccexp"), ({"cvv": "12"}, "cvv")],
    )  # fmt: skip
    def test_what_is_no_card_makes_no_token(self, changes: dict[str, str], field: str, control: NmiControl) -> None:
        typed = {
            "tokenization_key": "sandbox_token_of_tests",
            "number": "4111111111111111",
            "expiry": "12/34",
            "cvv": "123",
        }
        told = requests.post(f"{control.url}/token/create", json={**typed, **changes}, timeout=10).json()
        assert told["field"] == field
        assert "token" not in told

    def test_no_card_number_is_kept(self, control: NmiControl, process: SandboxProcess) -> None:
        number = "5105105105105100"
        control.token(card=number)
        for file in process.state_dir.glob("*.sqlite3*"):
            assert number.encode() not in file.read_bytes()


def test_live_looking_use_is_refused_by_the_control_api_alike(control: NmiControl) -> None:
    with pytest.raises(ControlError):
        control.give_back("12345")
    made = control.sell(order_id="pa_1", amount=1000)
    control.settle_day()
    with pytest.raises(ControlError, match="may not exceed"):
        control.give_back(made["id"], amount=1001)
