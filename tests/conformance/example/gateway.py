"""A stand-in of Acme Pay: payments in memory behind its API, and what its shoppers and clerks do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.receivers.server import Answer, Asked

KEY = "test_acme"
ACCOUNT = "acct_acme"


@dataclass
class Gateway:
    """Each payment as the API tells it, and the answers by idempotency key."""

    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    number: Any = field(default_factory=itertools.count)

    def answer(self, asked: Asked) -> Answer:
        """Answer one request, or again what was answered under its key."""
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {})
        key = asked.headers.get("idempotency-key", "")
        if key in self.answered:
            body, answer = self.answered[key]
            return answer if body == asked.body else Answer(409, {"code": "key_reused"})
        answer = self._answer(asked)
        if key and answer.status < 300:
            self.answered[key] = (asked.body, answer)
        return answer

    def _answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path.strip("/").split("/"):
            case "GET", ["v1", "account"]:
                return Answer(200, {"id": ACCOUNT})
            case "POST", ["v1", "payments"]:
                return self._create(asked.json())
            case method, ["v1", "payments", name, *what] if name in self.payments:
                return self._about(self.payments[name], method, what, asked)
        return Answer(404, {})

    def _create(self, wanted: dict[str, Any]) -> Answer:
        if "@" not in wanted["email"] or not wanted["return_url"].startswith(("https://", "http://127.0.0.1")):
            return Answer(422, {})
        name = f"pay_{next(self.number)}"
        self.payments[name] = {
            "id": name,
            "url": f"https://pay.acme.example/{name}",
            "status": "pending",
            "declined": "",
            "live": False,
            "account": ACCOUNT,
            "captures": [],
            "refunds": [],
            **{part: wanted[part] for part in ("reference", "amount", "currency")},
        }
        return Answer(200, dict(self.payments[name]))

    def _about(self, payment: dict[str, Any], method: str, what: list[str], asked: Asked) -> Answer:
        if (method, what) == ("GET", []):
            return Answer(200, payment)
        if (method, what) == ("POST", ["close"]):
            if payment["status"] == "pending":
                payment.update(status="cancelled", url="")
            return Answer(200, dict(payment))
        if (method, what) == ("POST", ["refunds"]):
            return self._refund(payment, **asked.json())
        return Answer(404, {})

    def _refund(self, payment: dict[str, Any], *, capture: str, amount: int, currency: str, reference: str) -> Answer:
        taken = sum(one["amount"] for one in payment["captures"] if one["id"] == capture)
        given = sum(one["amount"] for one in payment["refunds"] if one["capture"] == capture)
        if given + amount > taken or currency != payment["currency"]:
            return Answer(422, {})
        return Answer(200, self.give_back(payment, amount=amount, reference=reference))

    # --- what happens at Acme Pay

    def take(self, payment: dict[str, Any], *, amount: int = 0, currency: str = "") -> None:
        """Let money move."""
        payment["captures"].append(
            {
                "id": f"cap_{next(self.number):08}",
                "amount": amount or payment["amount"],
                "currency": currency or payment["currency"],
                "at": datetime.now(UTC).isoformat(),
            }
        )
        payment.update(status="paid", declined="", url="")

    def give_back(self, payment: dict[str, Any], *, amount: int, reference: str = "") -> dict[str, Any]:
        """Let money of the first capture go back."""
        made = {
            "id": f"ref_{next(self.number)}",
            "capture": payment["captures"][0]["id"],
            "amount": amount,
            "currency": payment["currency"],
            "status": "succeeded",
            "reference": reference,
        }
        payment["refunds"].append(made)
        return made
