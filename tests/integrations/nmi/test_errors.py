"""What NMI answers when it refuses, or does not answer, in our words; and what is sent in the first place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from integrations import http
from integrations.contract import (
    ConfigurationError,
    Declined,
    DeclineReason,
    InvalidRequest,
    Mode,
    NotOffered,
    PageLine,
    PayRequest,
    Presentation,
    ProviderError,
    ProviderIds,
    RateLimited,
    RefundReason,
    RefundRequest,
    StartRequest,
    Unavailable,
    WrongMode,
)
from integrations.guard import GuardedProvider
from integrations.providers.nmi.adapter import NmiProvider
from integrations.providers.nmi.credentials import LIVE_API_BASE
from tests.conformance.stands.nmi import adapter
from tests.integrations.nmi.reports import Answers, action, report, transaction

SANDBOX = "https://sandbox.nmi.com"


def answer(**changes: str) -> bytes:
    told = {
        "response": "1", "responsetext": "SUCCESS", "authcode": "123456", "transactionid": "2762757839",
        "avsresponse": "N", "cvvresponse": "N", "orderid": "pa_1234567890", "type": "sale", "response_code": "100",
        **changes,
    }  # fmt: skip
    return urlencode(told).encode()


def error(code: str, text: str = "") -> dict[str, str]:
    return {"response": "3", "response_code": code, "responsetext": text}


def test_mode(on: bool) -> bytes:
    return report(f"<test_mode_enabled>{str(on).lower()}</test_mode_enabled>")


test_mode.__test__ = False  # type: ignore[attr-defined]


def nmi(monkeypatch: pytest.MonkeyPatch, *bodies: bytes | Exception, **changes: Any) -> tuple[NmiProvider, Answers]:
    answers = Answers(*bodies)
    monkeypatch.setattr(http, "send", answers)
    return adapter(**({"api_base": SANDBOX} | changes)), answers


def live(monkeypatch: pytest.MonkeyPatch, *bodies: bytes) -> tuple[NmiProvider, Answers]:
    return nmi(monkeypatch, *bodies, environment="production", api_base=LIVE_API_BASE, signing_keys=("k" * 32,))


def sale(**changes: Any) -> PayRequest:
    wanted: dict[str, Any] = {
        "ids": ProviderIds(page_id="pa_1234567890"), "reference": "pa_1234567890", "amount_minor": 4990,
        "currency": "EUR", "order_number": "1042", "email": "ann@example.com",
        "token": "3b1c9d0e-1111-2222-3333-444455556666",
    }  # fmt: skip
    return PayRequest(**(wanted | changes))


def pay(provider: NmiProvider, **changes: Any) -> ProviderIds:
    return provider.pay_with_token(sale(**changes), idempotency_key="")


def test_what_a_sale_sends_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch, answer())
    assert pay(provider) == ProviderIds(page_id="pa_1234567890", intent_id="2762757839")
    [(url, sent)] = answers.asked
    assert url == f"{SANDBOX}/api/transact.php"
    assert sent.pop("security_key")
    assert sent == {
        "type": "sale", "payment_token": "3b1c9d0e-1111-2222-3333-444455556666", "amount": "49.90", "currency": "EUR",
        "orderid": "pa_1234567890", "order_description": "Order 1042", "email": "ann@example.com", "dup_seconds": "0",
    }  # fmt: skip


@pytest.mark.parametrize("email", ["", "a b@example.com", "a\n@example.com", "\xe4@example.com"])
def test_an_address_that_nmi_might_stumble_over_is_left_out(email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch, answer())
    pay(provider, email=email)
    assert "email" not in answers.asked[0][1]


@pytest.mark.parametrize(
    "changes", [{"token": "a&type=credit"}, {"token": ""}, {"reference": "a&b"}, {"currency": "JPY"}]
)
def test_what_is_no_sale_of_ours_is_not_sent(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch)
    with pytest.raises(InvalidRequest):
        pay(provider, **changes)
    assert answers.asked == []


def test_a_proof_of_authentication_is_refused_rather_than_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch)
    with pytest.raises(NotOffered):
        pay(provider, proof="cavv")
    assert answers.asked == []


@pytest.mark.parametrize(
    ("changes", "kind", "permanent", "unknown"),
    [
        ({"response": "2", "response_code": "200"}, Declined, True, False),
        (error("461"), Declined, True, False),
        (error("300", "Payment Token does not exist REFID:1"), Declined, True, False),
        (error("300", "Invalid amount REFID:1"), InvalidRequest, True, False),
        (error("440"), InvalidRequest, True, False),
        (error("300", "Authentication Failed REFID:1"), ConfigurationError, False, False),
        (error("410"), ConfigurationError, False, False),
        (error("411"), ConfigurationError, False, False),
        (error("301"), RateLimited, False, False),
        (error("400"), Unavailable, False, True),
        (error("420"), Unavailable, False, True),
        (error("421"), Unavailable, False, True),
        (error("430"), Unavailable, False, True),
        (error("300", "Duplicate transaction REFID:1"), Unavailable, False, True),
        ({"response": "4"}, Unavailable, False, True),
        ({"response": ""}, Unavailable, False, True),
        ({"response_code": "10"}, Unavailable, False, True),
        ({"response_code": ""}, Unavailable, False, True),
        ({"transactionid": ""}, Unavailable, False, True),
        ({"transactionid": "1 2"}, Unavailable, False, True),
    ],
)  # fmt: skip
def test_every_answer_that_is_no_approval(
    changes: dict[str, str], kind: type[ProviderError], permanent: bool, unknown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, _ = nmi(monkeypatch, answer(**changes))
    with pytest.raises(kind) as caught:
        pay(provider)
    assert (caught.value.permanent, caught.value.outcome_unknown) == (permanent, unknown)
    assert "REFID:" not in str(caught.value) or "does not exist" not in str(caught.value)


@pytest.mark.parametrize("end", range(1, 120, 7))
def test_an_answer_that_was_cut_off_anywhere_is_no_answer(end: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter transaction id would be somebody else's."""
    whole = answer()
    provider, _ = nmi(monkeypatch, whole[: max(0, len(whole) - end)])
    with pytest.raises(Unavailable):
        pay(provider)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        ("200", "DECLINE", DeclineReason.DO_NOT_HONOR),
        ("200", "AVS REJECTED", DeclineReason.INCORRECT_ADDRESS),
        ("200", "Customer authentication required", DeclineReason.AUTHENTICATION_REQUIRED),
        ("201", "", DeclineReason.DO_NOT_HONOR),
        ("202", "", DeclineReason.INSUFFICIENT_FUNDS),
        ("203", "", DeclineReason.LIMIT),
        ("204", "", DeclineReason.LIMIT),
        ("220", "", DeclineReason.INVALID_CARD),
        ("222", "", DeclineReason.INVALID_CARD),
        ("223", "", DeclineReason.EXPIRED_CARD),
        ("224", "", DeclineReason.EXPIRED_CARD),
        ("225", "", DeclineReason.INCORRECT_CVC),
        ("240", "", DeclineReason.CALL_ISSUER),
        ("251", "", DeclineReason.FRAUD),
        ("253", "AVS", DeclineReason.FRAUD),
        ("264", "", DeclineReason.RETRY_LATER),
        ("299", "", DeclineReason.UNKNOWN),
        ("", "", DeclineReason.UNKNOWN),
    ],
)
def test_codes_as_reasons(code: str, text: str, reason: DeclineReason, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, _ = nmi(monkeypatch, answer(response="2", response_code=code or "000", responsetext=text))
    with pytest.raises(Declined) as caught:
        pay(provider)
    assert caught.value.decline.reason is reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimited), (401, ConfigurationError), (403, ConfigurationError), (500, Unavailable), (502, Unavailable),
     (302, Unavailable), (404, Unavailable)],
)  # fmt: skip
def test_other_statuses(status: int, kind: type[ProviderError], monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch, b"<html>")
    answers.status = status
    with pytest.raises(kind):
        provider.fetch(ProviderIds(page_id="pa_1234567890"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [(http.OutboundTimeout("slow"), Unavailable), (http.OutboundFailed("cut"), Unavailable),
     (http.OutboundRefused("private"), ConfigurationError)],
)  # fmt: skip
def test_no_answer_at_all(error: Exception, kind: type[ProviderError], monkeypatch: pytest.MonkeyPatch) -> None:
    provider, _ = nmi(monkeypatch, error)
    with pytest.raises(kind):
        pay(provider)


# --- going back -----------------------------------------------------------------------------------------------


def give_back(provider: NmiProvider, amount_minor: int) -> Any:
    request = RefundRequest(
        reference="rf_1234567890", ids=ProviderIds(page_id="pa_1234567890"), capture_id="12030573544",
        amount_minor=amount_minor, currency="EUR", reason=RefundReason.REQUESTED_BY_CUSTOMER,
    )  # fmt: skip
    return provider.refund(request, idempotency_key="")


def test_all_of_it_before_settlement_is_a_void(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch, report(transaction()), answer(type="void"))
    made = give_back(provider, 4990)
    assert (made.refund_id, made.status, made.reference) == ("12030573544:void", "succeeded", "rf_1234567890")
    sent = answers.asked[1][1]
    assert (sent["type"], sent["transactionid"], "amount" in sent) == ("void", "12030573544", False)


def test_a_part_before_settlement_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = nmi(monkeypatch, report(transaction()))
    with pytest.raises(InvalidRequest, match="only after it is settled.*or this part tomorrow") as caught:
        give_back(provider, 1000)
    assert caught.value.code == "not_settled"
    assert len(answers.asked) == 1, "nothing but the question was sent"


def test_after_settlement_it_is_a_refund_that_carries_our_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = transaction(condition="complete")
    provider, answers = nmi(monkeypatch, report(settled), answer(type="refund", transactionid="2"))
    made = give_back(provider, 1000)
    assert (made.refund_id, made.capture_id, made.status) == ("2", "12030573544", "pending")
    sent = answers.asked[1][1]
    sent.pop("security_key")
    assert sent == {
        "type": "refund", "transactionid": "12030573544", "amount": "10.00", "orderid": "pa_1234567890",
        "order_description": "rf_1234567890",
    }  # fmt: skip


# --- test mode on the live host -------------------------------------------------------------------------------


def test_an_account_in_test_mode_takes_no_order_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sales are pretended: an order would count as paid and no money would come."""
    provider, answers = live(monkeypatch, test_mode(True))
    assert provider.mode is Mode.LIVE
    for ask in (
        lambda: pay(provider),
        lambda: provider.form(ProviderIds(page_id="pa_1")),
        provider.account,
        lambda: start(provider),
    ):
        with pytest.raises(ConfigurationError, match="test mode"):
            ask()
    assert [sent["report_type"] for _, sent in answers.asked] == ["test_mode_status"], "asked once a minute"


def start(provider: NmiProvider) -> Any:
    request = StartRequest(
        reference="pa_1234567890", amount_minor=100, currency="EUR", order_number="1",
        lines=(PageLine(name="Tea", quantity=1, unit_amount_minor=100),), email="", return_url="", cancel_url="",
        expires_at=datetime.now(UTC) + timedelta(hours=1), presentation=Presentation.EMBEDDED,
    )  # fmt: skip
    return provider.start(request, idempotency_key="")


def test_what_such_an_account_tells_of_a_payment_is_of_the_wrong_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, _ = live(monkeypatch, report(transaction()), test_mode(True))
    with pytest.raises(WrongMode):
        GuardedProvider(provider).fetch(ProviderIds(page_id="pa_1234567890"))


def test_a_test_mode_that_cannot_be_asked_for_stops_the_sale_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = live(monkeypatch, report())
    with pytest.raises(Unavailable):
        pay(provider)
    assert [url for url, _ in answers.asked] == [f"{LIVE_API_BASE}/api/query.php"]


def test_with_test_mode_off_money_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, answers = live(monkeypatch, test_mode(False), answer(), report(transaction()))
    pay(provider)
    assert provider.fetch(ProviderIds(page_id="pa_1234567890")).mode is Mode.LIVE
    assert len(answers.asked) == 3


def test_a_hosted_page_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, _ = nmi(monkeypatch)
    request = StartRequest(
        reference="pa_1", amount_minor=100, currency="EUR", order_number="1", lines=(), email="", return_url="",
        cancel_url="", expires_at=datetime.now(UTC),
    )  # fmt: skip
    with pytest.raises(NotOffered):
        provider.start(request, idempotency_key="")


def test_a_report_of_other_orders_is_sifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the search by order id ever match loosely, another payment's money must not count here."""
    other = transaction(transaction_id="9", order_id="pa_12345678901")
    provider, _ = nmi(monkeypatch, report(transaction(), other))
    snapshot = provider.fetch(ProviderIds(page_id="pa_1234567890"))
    assert [capture.capture_id for capture in snapshot.captures] == ["12030573544"]


def test_a_sale_that_the_search_by_order_does_not_show_yet_is_asked_for_by_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider, answers = nmi(monkeypatch, report(), report(transaction()))
    snapshot = provider.fetch(ProviderIds(page_id="pa_1234567890", intent_id="12030573544"))
    assert len(snapshot.captures) == 1
    assert answers.asked[1][1]["transaction_id"] == "12030573544"


def test_settled_twice_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = transaction(action(), action("settle", date="20261122000000"), condition="complete")
    provider, _ = nmi(monkeypatch, report(settled))
    assert len(provider.fetch(ProviderIds(page_id="pa_1234567890")).captures) == 1


def test_only_what_is_reserved_is_released_never_a_sale_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    on_its_way = transaction(condition="pending")
    reserved = transaction(action("auth"), transaction_id="2", condition="pending")
    provider, answers = nmi(monkeypatch, report(on_its_way, reserved), answer(type="void"))
    provider.release(ProviderIds(page_id="pa_1234567890"), idempotency_key="")
    assert [sent.get("transactionid") for _, sent in answers.asked] == [None, "2"]
