"""NMI's XML in as few words as the tests can bear. Shapes as in published recordings of query.php."""

from __future__ import annotations

from typing import Any


def action(kind: str = "sale", *, amount: str = "49.90", success: str = "1", **more: str) -> str:
    told = {
        "amount": amount, "action_type": kind, "date": "20261121120000", "success": success, "ip_address": "",
        "source": "api", "username": "", "response_text": "SUCCESS", "batch_id": "0", "response_code": "100", **more,
    }  # fmt: skip
    return "<action>" + "".join(f"<{name}>{value}</{name}>" for name, value in told.items()) + "</action>"


def transaction(*actions: str, **more: str) -> str:
    told = {
        "transaction_id": "12030573544", "transaction_type": "cc", "condition": "pendingsettlement",
        "order_id": "pa_1234567890", "currency": "EUR", "cc_number": "4xxxxxxxxxxx1111", "cc_hash": "f6c609e1",
        "first_name": "Ann", "email": "ann@example.com", **more,
    }  # fmt: skip
    return (
        "<transaction>"
        + "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
        + "".join(actions or (action(),))
        + "</transaction>"
    )


def report(*transactions: str) -> bytes:
    body = "".join(transactions)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<nm_response>{body}</nm_response>\n'.encode()


class Answers:
    """In the place of http.send: gives these answers in order and keeps what was asked."""

    def __init__(self, *bodies: bytes | Exception, status: int = 200) -> None:
        self.bodies, self.status, self.asked = list(bodies), status, []  # type: ignore[var-annotated]

    def __call__(self, method: str, url: str, *, body: bytes, **options: Any) -> Any:
        from urllib.parse import parse_qsl

        from integrations.http import HttpAnswer

        self.asked.append((url, dict(parse_qsl(body.decode()))))
        told = self.bodies.pop(0)
        if isinstance(told, Exception):
            raise told
        return HttpAnswer(self.status, {}, told)
