"""Stripe's answers to our errors: PROVIDERS.md section 6, row by row, through the SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stripe

from integrations import contract
from integrations.contract import (
    ConfigurationError,
    Declined,
    DeclineReason,
    IdempotencyConflict,
    InvalidRequest,
    ProviderError,
    ProviderIds,
    RateLimited,
    Unavailable,
    UnknownObject,
)
from integrations.guard import GuardedProvider
from integrations.http import TransactionOpen
from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.errors import decline_of, translate
from tests.integrations.servers import plain, saying, serving

PERSONAL = "Invalid email address: ann@example.org"


def adapter(base: str) -> StripeProvider:
    return StripeProvider(
        environment="test",
        api_key="sk_test_TopSecret",
        webhook_secrets=("whsec_x",),
        api_base=base,
        read_timeout_seconds=2,
    )


@contextmanager
def answering(status: int, body: bytes, extra: str = "") -> Iterator[GuardedProvider]:
    """The adapter against a Stripe that gives this one answer to everything."""
    head = f"Content-Type: application/json\r\nRequest-Id: req_42\r\n{extra}"
    with serving(saying(plain(body, status=f"{status} X", extra=head))) as server:
        yield GuardedProvider(adapter(server.url("")))


def failure(
    status: int, error: dict[str, Any] | None = None, *, body: bytes | None = None, extra: str = ""
) -> ProviderError:
    body = json.dumps({"error": {"message": PERSONAL, **(error or {})}}).encode() if body is None else body
    with answering(status, body, extra) as provider, pytest.raises(ProviderError) as caught:
        provider.account()
    return caught.value


@pytest.mark.parametrize(
    ("status", "error", "kind", "permanent", "outcome_unknown"),
    [
        (400, {"type": "invalid_request_error", "code": "parameter_missing"}, InvalidRequest, True, False),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, UnknownObject, True, False),
        (404, {"type": "invalid_request_error"}, InvalidRequest, True, False),
        (400, {"type": "idempotency_error"}, IdempotencyConflict, True, False),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, IdempotencyConflict, False, True),
        (409, {"type": "api_error"}, IdempotencyConflict, False, True),
        (401, {"type": "invalid_request_error"}, ConfigurationError, False, False),
        (403, {"type": "invalid_request_error"}, ConfigurationError, False, False),
        (400, {"type": "invalid_request_error", "code": "testmode_charges_only"}, ConfigurationError, False, False),
        (402, {"type": "card_error", "code": "card_declined"}, Declined, True, False),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, RateLimited, False, False),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, RateLimited, False, False),
        (400, {"type": "invalid_request_error", "code": "rate_limit"}, RateLimited, False, False),
        (500, {"type": "api_error"}, Unavailable, False, True),
        (503, {"type": "api_error"}, Unavailable, False, True),
        (418, {"type": "future_error"}, Unavailable, False, True),
        (402, {}, Declined, True, False),
        (302, {"type": "api_error"}, Unavailable, False, True),
    ],
)
def test_the_table(
    status: int, error: dict[str, Any], kind: type[ProviderError], permanent: bool, outcome_unknown: bool
) -> None:
    raised = failure(status, error)
    assert type(raised) is kind
    assert (raised.permanent, raised.outcome_unknown) == (permanent, outcome_unknown)
    assert raised.http_status == status
    assert raised.code == error.get("code", "")
    assert "ann@example.org" not in f"{raised} {raised!r} {vars(raised)}"
    assert "TopSecret" not in f"{raised} {raised!r}"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>Bad Gateway</html>"),
        (200, b'{"id": "acct_1"'),
        (200, b"[]"),
        (200, b"null"),
        (200, b'"text"'),
        (200, b"7"),
        (200, b"{}"),
        (200, b'{"id": 7}'),
        (200, b'{"id": null}'),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
        (200, b'{"n": ' + b"9" * 5000 + b"}"),
        (502, b"<html>Bad Gateway</html>"),
        (500, b""),
        (400, b"<html>a proxy's</html>"),
        (404, b"[]"),
        (500, b'{"error": "text"}'),
        (500, b'{"error": null}'),
        (500, b'{"error": []}'),
        (400, b'{"error": {"code": 7, "message": [], "param": {}}}'),
    ],
)
def test_what_is_no_answer_of_stripes_is_never_believed(status: int, body: bytes) -> None:
    raised = failure(status, body=body)
    assert not isinstance(raised, Declined)
    assert raised.outcome_unknown or type(raised) is InvalidRequest


def test_a_503_says_when_to_come_back() -> None:
    assert failure(429, {"code": "rate_limit"}, extra="Retry-After: 7\r\n").retry_after_seconds == 7
    assert failure(429, {"code": "rate_limit"}, extra="Retry-After: 999999\r\n").retry_after_seconds == 3600
    for wrong in ("-1", "soon", "7.5", "٧", ""):
        extra = f"Retry-After: {wrong}\r\n".encode().decode("latin-1")
        assert failure(429, {"code": "rate_limit"}, extra=extra).retry_after_seconds is None


def test_the_request_id_and_the_parameter_lead_to_the_whole_story() -> None:
    raised = failure(400, {"code": "parameter_invalid_integer", "param": "line_items[0][quantity]"})
    assert raised.request_id == "req_42"
    assert str(raised) == (
        "Stripe refuses the request at line_items[0][quantity] (parameter_invalid_integer, 400, req_42)"
    )


def test_what_is_no_code_reaches_no_message() -> None:
    raised = failure(400, {"code": "a\r\nforged: line", "param": "<script>"})
    assert raised.code == ""
    assert "forged" not in str(raised)
    assert "script" not in str(raised)


def test_a_decline_carries_its_reason() -> None:
    raised = failure(402, {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"})
    assert isinstance(raised, Declined)
    assert raised.decline == contract.Decline(
        reason=DeclineReason.INSUFFICIENT_FUNDS, provider_code="insufficient_funds"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"decline_code": "insufficient_funds", "code": "card_declined"}, DeclineReason.INSUFFICIENT_FUNDS),
        ({"code": "expired_card", "decline_code": "expired_card"}, DeclineReason.EXPIRED_CARD),
        ({"code": "incorrect_cvc"}, DeclineReason.INCORRECT_CVC),
        ({"code": "invalid_cvc"}, DeclineReason.INCORRECT_CVC),
        ({"code": "incorrect_zip"}, DeclineReason.INCORRECT_ADDRESS),
        ({"decline_code": "do_not_honor", "code": "card_declined"}, DeclineReason.DO_NOT_HONOR),
        ({"decline_code": "generic_decline", "code": "card_declined"}, DeclineReason.DO_NOT_HONOR),
        ({"code": "card_declined"}, DeclineReason.DO_NOT_HONOR),
        ({"decline_code": "call_issuer", "code": "card_declined"}, DeclineReason.CALL_ISSUER),
        *(
            ({"decline_code": code}, DeclineReason.FRAUD)
            for code in ("fraudulent", "lost_card", "stolen_card", "pickup_card")
        ),
        ({"decline_code": "authentication_required"}, DeclineReason.AUTHENTICATION_REQUIRED),
        ({"code": "payment_intent_authentication_failure"}, DeclineReason.AUTHENTICATION_REQUIRED),
        ({"decline_code": "card_velocity_exceeded"}, DeclineReason.LIMIT),
        ({"code": "incorrect_number"}, DeclineReason.INVALID_CARD),
        ({"decline_code": "try_again_later"}, DeclineReason.RETRY_LATER),
        ({"code": "processing_error"}, DeclineReason.RETRY_LATER),
        ({"code": "of_the_future", "decline_code": "of_the_future"}, DeclineReason.UNKNOWN),
        ({"code": "card_declined", "decline_code": "of_the_future"}, DeclineReason.UNKNOWN),
        ({}, DeclineReason.UNKNOWN),
        ({"code": 7, "decline_code": None}, DeclineReason.UNKNOWN),
        ({"code": "<b>"}, DeclineReason.UNKNOWN),
    ],
)
def test_decline_codes(error: dict[str, Any], reason: DeclineReason) -> None:
    assert decline_of(error).reason is reason


def test_every_error_of_the_sdk_and_any_future_one_has_a_place() -> None:
    class OfTheFuture(stripe.StripeError):
        pass

    def family(kind: type[stripe.StripeError]) -> Iterator[type[stripe.StripeError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from family(child)

    seen = set()
    kinds: set[Any] = {*family(stripe.StripeError), OfTheFuture}
    for kind in kinds:
        error = kind.__new__(kind)
        stripe.StripeError.__init__(error, PERSONAL, http_body=PERSONAL, json_body={"error": {"message": PERSONAL}})
        ours = translate(error)
        seen.add(type(ours))
        assert "ann@example.org" not in f"{ours} {vars(ours)}"
    assert seen == {Declined, RateLimited, IdempotencyConflict, ConfigurationError, InvalidRequest, Unavailable}


def test_the_sdks_error_with_its_body_does_not_ride_along() -> None:
    raised = failure(400, {"code": "email_invalid"})
    assert raised.__suppress_context__
    assert raised.__cause__ is None


def test_our_own_guards_refusal_is_a_matter_of_configuration() -> None:
    mistaken = StripeProvider(
        environment="test", api_key="sk_test_x", webhook_secrets=("whsec_x",), api_base="https://10.0.0.1"
    )
    with pytest.raises(ConfigurationError, match="our own guard refused"):
        GuardedProvider(mistaken).account()


def test_an_open_transaction_that_the_sdk_swallowed_comes_out_as_itself() -> None:
    swallowed = stripe.APIConnectionError("x")  # type: ignore[no-untyped-call]
    swallowed.__cause__ = TransactionOpen("a network call inside a transaction")
    with pytest.raises(TransactionOpen):
        translate(swallowed)


def test_a_provider_that_answers_too_late_is_unavailable() -> None:
    with serving(lambda connection: time.sleep(1)) as server:
        provider = GuardedProvider(adapter(server.url("")), deadline_seconds=0.3)
        with pytest.raises(Unavailable) as caught:
            provider.fetch(ProviderIds(page_id="cs_1"))
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(("status", "closed"), [("open", False), ("complete", True), ("expired", True), (None, False)])
def test_a_refused_close_is_passed_over_only_if_the_page_is_closed(status: str | None, closed: bool) -> None:
    session = json.dumps({"id": "cs_1", "object": "checkout.session", "status": status}).encode()
    answers = [plain(b'{"error": {"type": "invalid_request_error"}}', status="400 X"), plain(session)]
    with serving(lambda connection: connection.sendall(answers.pop(0))) as server:
        provider = GuardedProvider(adapter(server.url("")))
        if closed:
            provider.close(ProviderIds(page_id="cs_1"), idempotency_key="k")
        else:
            with pytest.raises(InvalidRequest):
                provider.close(ProviderIds(page_id="cs_1"), idempotency_key="k")
    assert [request.split(b" ", 2)[:2] for request in server.requests] == [
        [b"POST", b"/v1/checkout/sessions/cs_1/expire"],
        [b"GET", b"/v1/checkout/sessions/cs_1"],
    ]


@pytest.mark.parametrize(
    "wrong", ["", "../charges", "cs_1/expire", "cs 1", "cs_1?expand=x", "cs\x00", "x" * 256, "cs_é"]
)
def test_an_id_that_is_none_goes_nowhere(wrong: str) -> None:
    with answering(200, b'{"id":"acct_1","object":"account"}') as provider:
        for ids in (ProviderIds(page_id=wrong), ProviderIds(intent_id=wrong)):
            with pytest.raises(InvalidRequest):
                provider.fetch(ids)
            with pytest.raises(InvalidRequest):
                provider.close(ids, idempotency_key="k")
