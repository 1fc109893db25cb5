"""A recording receiver that speaks fiskaly SIGN DE v2 as published: authentication and transactions of one TSS.

After fiskaly's OpenAPI description 2.2.2. A transaction starts as revision 1 without data, each further revision is one
higher, a repeated request with the same body answers as before, and nothing changes a finished one. Ids must be UUIDv4,
which fiskaly recommends today and announces as a rule.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import uuid
from typing import Any

from tests.receivers.server import Answer, Asked

KEY, SECRET = "test_key_of_the_shop", "secret-of-the-shop-0123456789"  # pragma: allowlist secret
TSS, CLIENT = "0b3f6b1e-7c5d-4d0e-9a53-2f6f1f0f9c11", "5a2c8d54-1d3b-4a67-8b1a-6f0c9d7e3b22"
_AMOUNT = re.compile(r"-?\d+(\.\d{2,5})")
_TYPES = {
    *("RECEIPT", "TRAINING", "TRANSFER", "ORDER", "CANCELLATION", "ABORT", "BENEFIT_IN_KIND", "INVOICE", "OTHER"),
    "ANNULATION",
}
_RATES = {"NORMAL", "REDUCED_1", "SPECIAL_RATE_1", "SPECIAL_RATE_2", "NULL"}


class No(Exception):
    """fiskaly's error: status, code, message."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


class Fiskaly:
    """One organisation with one TSS. `transactions`: their revisions, by id; the last one is how they stand."""

    def __init__(self) -> None:
        self.transactions: dict[str, list[dict[str, Any]]] = {}
        self.tokens: set[str] = set()
        self.logins = 0
        self._bodies: dict[tuple[str, int], Any] = {}
        self._counter = 7

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """The receipts of the finished transactions, as signed, oldest first."""
        last = [revisions[-1] for revisions in self.transactions.values()]
        done = sorted((one for one in last if one["state"] == "FINISHED"), key=lambda one: one["number"])
        return [one["schema"]["standard_v1"]["receipt"] for one in done]

    @property
    def signatures(self) -> int:
        """How often the TSS has signed."""
        return self._counter - 7

    def answer(self, asked: Asked) -> Answer:
        try:
            return Answer(200, self._route(asked), {"request-id": str(uuid.uuid4())})
        except No as error:
            body = {"status_code": error.status, "error": "Error", "code": error.code, "message": str(error)}
            return Answer(error.status, body)

    def _route(self, asked: Asked) -> Any:
        if (asked.method, asked.path) == ("POST", "/api/v2/auth"):
            return self._authenticate(_json(asked))
        found = re.fullmatch(r"/api/v2/tss/([0-9a-f-]{36})/tx/([^/]+)", asked.path)
        if found is None:
            raise No(404, "E_NOT_FOUND", "Route not found")
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise No(401, "E_UNAUTHORIZED", "Unauthorized")
        if found[1] != TSS:
            raise No(404, "E_TSS_NOT_FOUND")
        if asked.method == "GET":
            if found[2] not in self.transactions:
                raise No(404, "E_TX_NOT_FOUND")
            return self.transactions[found[2]][-1]
        if asked.method == "PUT":
            return self._upsert(found[2], asked.query.get("tx_revision", ""), _json(asked))
        raise No(404, "E_NOT_FOUND", "Route not found")

    def _authenticate(self, body: Any) -> Any:
        if body != {"api_key": KEY, "api_secret": SECRET}:
            raise No(401, "E_UNAUTHORIZED", "Invalid credentials")
        self.logins += 1
        # Of the form of a JSON web token, as theirs are.
        token = ".".join(base64.urlsafe_b64encode(secrets.token_bytes(24)).decode() for _ in range(3))
        self.tokens.add(token)
        return {
            "access_token": token,
            "access_token_claims": {"env": "TEST", "organization_id": str(uuid.uuid4())},
            "access_token_expires_in": 86400,
            "refresh_token": "unused",
        }

    def _upsert(self, tx: str, revision: str, body: Any) -> Any:
        _check_id(tx)
        if not (revision.isascii() and revision.isdigit()):
            raise No(400, "E_FAILED_SCHEMA_VALIDATION", "querystring/tx_revision must be integer")
        _check_body(body, starts=revision == "1")
        if body["client_id"] != CLIENT:
            raise No(400, "E_CLIENT_NOT_FOUND")
        revisions, number = self.transactions.get(tx, []), int(revision)
        if self._bodies.get((tx, number)) == body:
            return revisions[number - 1]
        if number != len(revisions) + 1 or (revisions and revisions[-1]["state"] != "ACTIVE"):
            raise No(400, "E_TX_UPSERT", f"revision {number} does not follow {len(revisions)}")
        self._bodies[tx, number] = body
        self._counter += 1
        one = self._transaction(tx, number, body, before=revisions[-1] if revisions else None)
        self.transactions.setdefault(tx, []).append(one)
        return one

    def _transaction(self, tx: str, revision: int, body: Any, *, before: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "_id": tx,
            "_type": "TRANSACTION",
            "_env": "TEST",
            "_version": "2.2.2",
            "number": before["number"] if before else len(self.transactions) + 1,
            "state": body["state"],
            "revision": revision,
            "latest_revision": revision,
            "tss_id": TSS,
            "tss_serial_number": "ab" * 32,
            "client_id": CLIENT,
            "client_serial_number": "shop-1",
            "time_start": 1795262400,
            "schema": body.get("schema", {}),
            "metadata": {**(before["metadata"] if before else {}), **body.get("metadata", {})},
            "log": {"operation": "Start" if revision == 1 else "Finish", "timestamp": 1795262400},
            "signature": {
                "value": base64.b64encode(json.dumps([tx, revision]).encode()).decode(),
                "algorithm": "ecdsa-plain-SHA256",
                "counter": str(self._counter),
                "public_key": "BHhWOeis",
            },
        }


def _check_id(tx: str) -> None:
    try:
        found = uuid.UUID(tx)
    except ValueError as error:
        raise No(400, "E_FAILED_SCHEMA_VALIDATION", "params/tx_id_or_number must match format uuid") from error
    if found.version != 4 or str(found) != tx:
        raise No(400, "E_FAILED_SCHEMA_VALIDATION", "params/tx_id_or_number must be a UUIDv4")


def _check_body(body: Any, *, starts: bool) -> None:
    _need(isinstance(body, dict) and set(body) <= {"state", "client_id", "schema", "metadata"}, "body")
    _need({"state", "client_id"} <= set(body), "state and client_id are required")
    _need(body["state"] in ("ACTIVE", "FINISHED", "CANCELLED"), "state")
    metadata = body.get("metadata", {})
    _need(isinstance(metadata, dict) and len(metadata) <= 40, "metadata")
    for name, value in metadata.items():
        _need(len(name) <= 40 and isinstance(value, str) and len(value) <= 500, f"metadata/{name}")
    if starts:
        _need(body["state"] == "ACTIVE" and "schema" not in body, "a transaction starts ACTIVE, without type and data")
    else:
        _check_receipt(body.get("schema"))


def _check_receipt(schema: Any) -> None:
    _need(isinstance(schema, dict) and set(schema) == {"standard_v1"}, "schema")
    _need(isinstance(schema["standard_v1"], dict) and set(schema["standard_v1"]) == {"receipt"}, "schema/standard_v1")
    receipt = schema["standard_v1"]["receipt"]
    known = {"receipt_type", "amounts_per_vat_rate", "amounts_per_payment_type"}
    _need(isinstance(receipt, dict) and set(receipt) <= known, "receipt")
    _need(receipt.get("receipt_type") in _TYPES, "receipt_type")
    for one in receipt.get("amounts_per_vat_rate") or [None]:
        _need(isinstance(one, dict) and set(one) == {"vat_rate", "amount"}, "amounts_per_vat_rate")
        _need(one["vat_rate"] in _RATES and _is_amount(one["amount"]), "amounts_per_vat_rate")
    for one in receipt.get("amounts_per_payment_type", []):
        _need({"payment_type", "amount"} <= set(one) <= {"payment_type", "amount", "currency_code"}, "payment_type")
        _need(one["payment_type"] in ("CASH", "NON_CASH") and _is_amount(one["amount"]), "amounts_per_payment_type")
        _need(re.fullmatch(r"[a-zA-Z]{3}", one.get("currency_code", "EUR")) is not None, "currency_code")


def _is_amount(value: Any) -> bool:
    return isinstance(value, str) and _AMOUNT.fullmatch(value) is not None


def _need(right: bool, what: str) -> None:
    if not right:
        raise No(400, "E_FAILED_SCHEMA_VALIDATION", f"{what} is not as the schema wants it")


def _json(asked: Asked) -> Any:
    try:
        return asked.json()
    except ValueError as error:
        raise No(400, "E_FAILED_SCHEMA_VALIDATION", "body must be JSON") from error
