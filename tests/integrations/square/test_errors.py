"""Square's refusals in our words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from integrations.contract import (
    ConfigurationError,
    Declined,
    DeclineReason,
    IdempotencyConflict,
    InvalidRequest,
    ProviderError,
    RateLimited,
    Unavailable,
    UnknownObject,
)
from integrations.http import OutboundRefused, TransactionOpen
from integrations.providers.square.client import Client
from integrations.providers.square.errors import translate


def said(category: str, code: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"category": category, "code": code, "detail": "jane@example.org", **more}]}


@pytest.mark.parametrize(
    ("status", "body", "raised"),
    [
        (402, said("PAYMENT_METHOD_ERROR", "CVV_FAILURE"), Declined),
        (400, said("PAYMENT_METHOD_ERROR", "GENERIC_DECLINE"), Declined),
        (400, said("INVALID_REQUEST_ERROR", "CARD_TOKEN_USED"), Declined),
        (400, said("INVALID_REQUEST_ERROR", "VALUE_TOO_LONG", field="reference_id"), InvalidRequest),
        (400, said("REFUND_ERROR", "REFUND_AMOUNT_INVALID"), InvalidRequest),
        (404, said("INVALID_REQUEST_ERROR", "NOT_FOUND"), UnknownObject),
        (401, said("AUTHENTICATION_ERROR", "UNAUTHORIZED"), ConfigurationError),
        (403, said("AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES"), ConfigurationError),
        (429, said("RATE_LIMIT_ERROR", "RATE_LIMITED"), RateLimited),
        (400, said("INVALID_REQUEST_ERROR", "IDEMPOTENCY_KEY_REUSED"), IdempotencyConflict),
        (409, said("INVALID_REQUEST_ERROR", "CONFLICT"), IdempotencyConflict),
        (500, said("API_ERROR", "INTERNAL_SERVER_ERROR"), Unavailable),
        (503, said("API_ERROR", "SERVICE_UNAVAILABLE"), Unavailable),
        (200, said("API_ERROR", "INTERNAL_SERVER_ERROR"), Unavailable),
        (400, said("API_ERROR", "WHATEVER"), Unavailable),
        (200, said("PAYMENT_METHOD_ERROR", "CARD_EXPIRED"), Declined),
        (502, "<html>Bad Gateway</html>", Unavailable),
        (200, "", Unavailable),
        (400, {}, Unavailable),
        (400, {"errors": ["x"]}, Unavailable),
        (302, None, Unavailable),
    ],
)
def test_each_answer_has_its_error(status: int, body: object, raised: type[ProviderError]) -> None:
    error = translate(status=status, body=body, headers={})
    assert type(error) is raised
    assert "jane" not in error.message
    assert error.outcome_unknown is isinstance(error, Unavailable) or isinstance(error, IdempotencyConflict)


def test_a_decline_keeps_squares_code() -> None:
    error = translate(status=402, body=said("PAYMENT_METHOD_ERROR", "INSUFFICIENT_FUNDS"), headers={})
    assert isinstance(error, Declined)
    assert (error.decline.reason, error.decline.provider_code) == (
        DeclineReason.INSUFFICIENT_FUNDS,
        "INSUFFICIENT_FUNDS",
    )


@pytest.mark.parametrize(("value", "seconds"), [("30", 30), ("999999", 3600), ("soon", None), ("", None), ("-1", None)])
def test_how_long_to_wait(value: str, seconds: int | None) -> None:
    error = translate(status=429, body=said("RATE_LIMIT_ERROR", "RATE_LIMITED"), headers={"retry-after": value})
    assert error.retry_after_seconds == seconds


class Answers(httpx.BaseTransport):
    """Gives one answer, or raises."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def asking(answer: httpx.Response | Exception) -> tuple[Client, Answers]:
    client = Client(
        access_token="x" * 20,
        location_id="L1",
        api_base="http://127.0.0.1:9",
        connect_timeout_seconds=1,
        read_timeout_seconds=1,
        on_use=lambda: None,
    )
    transport = Answers(answer)
    client.sdk._client_wrapper.httpx_client.httpx_client._transport = transport
    return client, transport


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (httpx.Response(200, json=said("PAYMENT_METHOD_ERROR", "CARD_EXPIRED")), Declined),
        (httpx.Response(200, text="[]"), Unavailable),
        (httpx.Response(200, text="not json"), Unavailable),
        (httpx.Response(200, text=""), Unavailable),
        (httpx.Response(500, json=said("API_ERROR", "INTERNAL_SERVER_ERROR")), Unavailable),
        (httpx.Response(429, json=said("RATE_LIMIT_ERROR", "RATE_LIMITED")), RateLimited),
        (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), Unavailable),
        (httpx.ConnectTimeout("slow"), Unavailable),
        (httpx.TransportError("cut"), Unavailable),
        (OutboundRefused("no"), ConfigurationError),
        (TransactionOpen("open"), TransactionOpen),
    ],
)
def test_the_client_asks_once_and_never_follows(answer: httpx.Response | Exception, raised: type[Exception]) -> None:
    client, transport = asking(answer)
    with pytest.raises(raised):
        client.ask(client.sdk.payments.get, payment_id="P1")
    assert len(transport.asked) == 1


def test_an_environment_that_is_not_ours_is_refused() -> None:
    client, _ = asking(httpx.Response(200, json={"payment": {}}, headers={"square-environment": "Production"}))
    with pytest.raises(ConfigurationError, match="SQUARE_API_BASE") as refused:
        client.ask(client.sdk.payments.get, payment_id="P1")
    assert refused.value.outcome_unknown


def test_a_cursor_in_circles_ends() -> None:
    client, _ = asking(httpx.Response(200, json={"disputes": [], "cursor": "again"}))
    with pytest.raises(Unavailable, match="more objects"):
        client.all_of(client.sdk.disputes.list, "disputes", location_id="L1")
