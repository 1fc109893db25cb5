"""A client of the API, as a partner would write one: JSON in, JSON out, a key with each POST."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.http import HttpResponse
from django.test import Client

ORDERS = "/api/v1/orders/"
NO_LIMITS = dict.fromkeys(("anon", "user", "orders", "attempts", "refunds"))
"""In the place of SimpleRateThrottle.THROTTLE_RATES: as many requests as one likes."""


def new_key() -> str:
    return str(uuid.uuid4())


class ApiClient:
    """Posts exactly the bytes it is given; CSRF would be enforced if the API asked for it."""

    def __init__(self) -> None:
        self.http = Client(enforce_csrf_checks=True, raise_request_exception=False, SERVER_NAME="127.0.0.1")

    def post(self, path: str, body: Any, *, key: str | None = "", **headers: str) -> Any:
        """`body`: bytes as they are, anything else as JSON. `key`: empty makes a new one, None sends none."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key is not None:
            headers["Idempotency-Key"] = key or new_key()
        media_type = headers.pop("content_type", "application/json")
        # Named twice: Django's client leaves it out where the body is empty.
        return self.http.post(path, raw, content_type=media_type, headers=headers, CONTENT_TYPE=media_type)

    def get(self, path: str, **headers: str) -> Any:
        return self.http.get(path, headers=headers)

    def place(self, *, sku: str, quantity: Any = 1, key: str = "", **changes: Any) -> Any:
        return self.post(ORDERS, {**order_of(sku, quantity), **changes}, key=key)

    def attempt(self, token: str, *, provider: str = "stripe", key: str = "") -> Any:
        return self.post(f"{ORDERS}{token}/attempts/", {"provider": provider}, key=key)


def order_of(sku: str, quantity: Any = 1) -> dict[str, Any]:
    return {"lines": [{"sku": sku, "quantity": quantity}], "currency": "EUR", "email": "ada@example.com"}


def told(response: HttpResponse) -> Any:
    """Return the parsed body; every answer of the API is JSON and kept by no cache."""
    assert response.headers["Content-Type"] == "application/json", response.content[:300]
    assert response.headers["Cache-Control"] == "no-store"
    return json.loads(response.content)


def code_of(response: HttpResponse) -> tuple[int, str]:
    """Return status and code of a refusal, having checked its shape."""
    body = told(response)
    assert set(body) == {"error"}
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "fields"}
    assert len(body["error"]["message"]) > 15, "a sentence that helps"
    return response.status_code, body["error"]["code"]
