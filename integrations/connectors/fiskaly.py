"""Fiscal receipts: fiskaly SIGN DE API v2 (KassenSichV). One signed receipt for each capture, one for each refund.

A receipt is a transaction at the technical security system (TSS): started as revision 1, finished with its amounts as
revision 2. Its id is made from what moved (provider, account, capture or refund id), so whatever repeats, by a replay,
another worker or another fact of the same capture, is the same transaction, and a finished one is never finished again.
The id has the form of a UUIDv4, as fiskaly asks; it is made from 122 bits of SHA-256.
Read in fiskaly's OpenAPI description, version 2.2.2.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from integrations.connectors.api import ApiConnector, ExternalIds, Job, Unexpected, call, name_and_secret
from integrations.connectors.contract import CannotTell, Message, Receiver, Verdict
from integrations.connectors.options import PREFIX, UUID, Option, read_options
from integrations.connectors.payloads import moved_in_order_currency, need, order_reference, plain
from integrations.connectors.tokens import Token, TokenCache
from integrations.facts import Fact
from integrations.failure import Failure

OPTIONS = {
    "tss_id": Option(says="The id of the TSS", form=UUID),
    "client_id": Option(says="The id of the client registered at it", form=UUID),
    "vat_rate": Option(
        says="The VAT rate of everything sold, by fiskaly's names",
        form="NORMAL|REDUCED_1|SPECIAL_RATE_1|SPECIAL_RATE_2|NULL",
        default="NORMAL",
    ),
    "prefix": PREFIX,
}
_MOVES = {
    Fact.ORDER_PAID: ("capture", 1),
    Fact.CAPTURE_UNAPPLIED: ("capture", 1),
    Fact.REFUND_SUCCEEDED: ("refund", -1),
}
_PERSON_NEEDED = frozenset(
    {
        *("E_TSS_DISABLED", "E_TSS_NOT_INITIALIZED", "E_CLIENT_NOT_FOUND", "E_CLIENT_DEREGISTERED"),
        *("E_TSS_DEFECTIVE", "E_TSS_DELETED", "E_TSS_EVICTED", "E_CERTIFICATE_EXPIRED", "E_USE_MIDDLEWARE"),
    }
)
_tokens = TokenCache()

T = TypeVar("T")


class FiskalyConnector(ApiConnector):
    """The secret is `api key:api secret`. Money beyond an order (late, double) gets its receipt too: it moved."""

    kind = "fiskaly"
    facts = frozenset(_MOVES)
    options = OPTIONS
    secret_has_name = True

    def look(self, job: Job) -> ExternalIds | None:
        """Return the receipt's ids if it is finished."""
        return _authorised(job, lambda headers: _finished(job, _retrieve(job, headers)))

    def tell(self, job: Job) -> ExternalIds:
        """Start the transaction unless it is, and finish it unless it is."""
        receipt = _receipt(job)
        return _authorised(job, lambda headers: _sign(job, receipt, headers))

    def meaning(self, answer: Unexpected, *, now: datetime) -> Verdict | None:
        """Read fiskaly's error codes, where they say more than the status."""
        status, code = answer.answer.status, str(answer.body.get("code", ""))[:60]
        if code in _PERSON_NEEDED:
            return Verdict(failure=Failure.CONFIGURATION, http_status=status, detail=f"fiskaly: {code}.")
        if code in ("E_TX_UPSERT", "E_TX_LIMIT_REACHED") or status == 499:
            # Another worker was quicker, or too many are open: what stands there is looked at next time.
            return Verdict(failure=Failure.UNAVAILABLE, http_status=status, detail=f"fiskaly: {code or status}.")
        return None


def transaction_id(message: Message, kind: str) -> uuid.UUID:
    """Return the id of the receipt for this capture or refund: always the same, and nobody else's."""
    named = [kind, *(str(need(message, name)) for name in ("provider", "account", kind))]
    digest = hashlib.sha256("\n".join(named).encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=4)


def _receipt(job: Job) -> dict[str, Any]:
    """Return what is signed. Raises CannotTell for what no German receipt can say."""
    kind, sign = _MOVES[Fact(job.message.fact)]
    moved = sign * moved_in_order_currency(job.message, kind)
    if job.message.payload["currency"] != "EUR":
        raise CannotTell("A receipt of SIGN DE is in EUR.")
    amount = plain(moved.quantize(Decimal("0.01")), decimals=2)
    vat_rate = read_options(job.receiver, OPTIONS)["vat_rate"]
    return {
        "receipt_type": "RECEIPT",
        "amounts_per_vat_rate": [{"vat_rate": vat_rate, "amount": amount}],
        "amounts_per_payment_type": [{"payment_type": "NON_CASH", "amount": amount, "currency_code": "EUR"}],
    }


def _sign(job: Job, receipt: dict[str, Any], headers: dict[str, str]) -> ExternalIds:
    found = _retrieve(job, headers)
    if found is None:
        found = _put(job, 1, {"state": "ACTIVE"}, headers)
    if found["state"] == "ACTIVE":
        finish = {"state": "FINISHED", "schema": {"standard_v1": {"receipt": receipt}}, "metadata": _metadata(job)}
        found = _put(job, int(found["latest_revision"]) + 1, finish, headers)
    ids = _finished(job, found)
    if ids is None:
        raise CannotTell("The transaction was cancelled at fiskaly; no receipt can be made of it any more.")
    return ids


def _finished(job: Job, found: dict[str, Any] | None) -> ExternalIds | None:
    if found is None or found["state"] != "FINISHED":
        return None
    return {
        "receipt": str(found["number"]),
        "signature counter": str(found["signature"]["counter"]),
        "transaction": str(_id(job)),
    }


def _retrieve(job: Job, headers: dict[str, str]) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = call(job.receiver, "GET", _path(job), headers=headers)
    except Unexpected as error:
        if error.body.get("code") == "E_TX_NOT_FOUND":
            return None
        raise
    return found


def _put(job: Job, revision: int, what: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    body = {"client_id": read_options(job.receiver, OPTIONS)["client_id"], **what}
    path = f"{_path(job)}?tx_revision={revision}"
    found: dict[str, Any] = call(job.receiver, "PUT", path, headers=headers, body=body)
    return found


def _path(job: Job) -> str:
    return f"/tss/{read_options(job.receiver, OPTIONS)['tss_id']}/tx/{_id(job)}"


def _id(job: Job) -> uuid.UUID:
    return transaction_id(job.message, _MOVES[Fact(job.message.fact)][0])


def _metadata(job: Job) -> dict[str, str]:
    """Return what lets a person find the order, and of a refund the sale's receipt."""
    reference = order_reference(job.message, prefix=read_options(job.receiver, OPTIONS)["prefix"])
    found = {"order": reference, "delivery": job.message.key}
    if _MOVES[Fact(job.message.fact)][0] == "refund":
        found["receipt_of_sale"] = str(transaction_id(job.message, "capture"))
    return found


def _authorised(job: Job, use: Callable[[dict[str, str]], T]) -> T:
    return _tokens.authorised(
        job.receiver, lambda: _token(job.receiver), lambda token: use({"authorization": f"Bearer {token}"})
    )


def _token(receiver: Receiver) -> Token:
    key, secret = name_and_secret(receiver)
    found = call(receiver, "POST", "/auth", headers={}, body={"api_key": key, "api_secret": secret})
    return Token(value=found["access_token"], lasts_seconds=int(found.get("access_token_expires_in", 300)))
