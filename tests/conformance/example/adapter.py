"""The adapter of Acme Pay, complete, as a package of somebody else's would bring it (docs/adding-a-provider.md)."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from integrations import contract as c
from integrations.contract.not_offered import WithoutExtras
from integrations.http import OutboundFailed, OutboundTimeout, send

OFFICIAL = "https://api.acme.example"
REFUSED: Mapping[int, Any] = {401: c.ConfigurationError, 404: c.UnknownObject, 422: c.InvalidRequest,
                              429: c.RateLimited, 409: partial(c.IdempotencyConflict, in_flight=False)}  # fmt: skip


class AcmeProvider(WithoutExtras):
    """Amounts in cents, so two-decimal currencies only. Keys begin with `test_` or `live_`; secrets sign webhooks."""

    name = "acme"
    capabilities = c.Capabilities(
        key_lifetime_seconds=24 * 3600, key_max_length=64, lookup_settles_after_seconds=5, page_lifetime_min_seconds=0,
        page_lifetime_max_seconds=7 * 24 * 3600, currencies=frozenset({"EUR", "USD"}), tells_fees=False,
        dispute_outcome=False, balance_entries=False)  # fmt: skip

    def __init__(self, *, environment: str, key: str, secrets: Sequence[str], base: str = OFFICIAL) -> None:
        live = key.startswith("live_")
        if live != (environment == "production") or (live and base != OFFICIAL) or not secrets or not all(secrets):
            remedy = "Set ACME_KEY to a key of this environment's mode and ACME_SECRETS to the signing secrets."
            raise c.ProviderMisconfigured(self.name, (c.SettingProblem(code="acme.settings", remedy=remedy),))
        self.mode = c.Mode.LIVE if live else c.Mode.TEST
        self._key, self._secrets, self._base = key, tuple(secrets), base

    def account(self) -> str:
        return str(self._ask("GET", "/v1/account")["id"])

    def start(self, request: c.StartRequest, *, idempotency_key: str) -> c.Started:
        if sum(line.quantity * line.unit_amount_minor for line in request.lines) != request.amount_minor:
            raise c.InvalidRequest("the lines do not add up to the amount", code="lines")
        wanted = _wanted(request) | {"email": request.email, "return_url": request.return_url}
        made = self._ask("POST", "/v1/payments", key=idempotency_key, body=wanted)
        return c.Started(ids=c.ProviderIds(page_id=made["id"]), account=made["account"], mode=_mode(made),
                         redirect_url=made["url"], expires_at=None, raw=made)  # fmt: skip

    def fetch(self, ids: c.ProviderIds) -> c.PaymentSnapshot:
        told = self._ask("GET", f"/v1/payments/{_id(ids.page_id)}")
        reason = c.DeclineReason.INSUFFICIENT_FUNDS if told["declined"] == "no_funds" else c.DeclineReason.UNKNOWN
        return c.PaymentSnapshot(
            provider=self.name, account=told["account"], mode=_mode(told), reference=told["reference"], ids=ids,
            status=c.PaymentStatus(told["status"]), amount_minor=told["amount"], currency=told["currency"],
            page_open=told["url"] != "", page_url=told["url"], raw=told,
            decline=c.Decline(reason=reason, provider_code=told["declined"]) if told["declined"] else None,
            captures=tuple(c.CaptureSnapshot(
                capture_id=one["id"], amount_minor=one["amount"], currency=one["currency"],
                captured_at=datetime.fromisoformat(one["at"])) for one in told["captures"]),
            refunds=tuple(_refund(one) for one in told["refunds"]))  # fmt: skip

    def close(self, ids: c.ProviderIds, *, idempotency_key: str) -> None:
        self._ask("POST", f"/v1/payments/{_id(ids.page_id)}/close", key=idempotency_key, body={})

    def release(self, ids: c.ProviderIds, *, idempotency_key: str) -> None:
        """Nothing is ever held: Acme Pay takes money at once."""

    def refund(self, request: c.RefundRequest, *, idempotency_key: str) -> c.RefundSnapshot:
        wanted = _wanted(request) | {"capture": request.capture_id}
        path = f"/v1/payments/{_id(request.ids.page_id)}/refunds"
        return _refund(self._ask("POST", path, key=idempotency_key, body=wanted))

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> c.Notification:
        given = [value.encode() for name, value in headers.items() if name.lower() == "acme-signature"]
        made = [hmac.digest(secret.encode(), body, "sha256").hex().encode() for secret in self._secrets]
        if len(given) != 1 or not any(hmac.compare_digest(given[0], one) for one in made):
            raise c.NotificationRejected("the signature proves nothing")
        try:
            event = json.loads(body)
            return c.Notification(
                provider=self.name, event_id=_id(event["id"]), type=_id(event["type"]), mode=_mode(event),
                account=_id(event["account"]), created_at=datetime.fromisoformat(event["created"]),
                object_ids=(event["payment"],), ids=c.ProviderIds(page_id=_id(event["payment"])),
                reference=_id(event["reference"]), relevant=event["type"] == "payment.changed")  # fmt: skip
        except (ValueError, LookupError, TypeError, RecursionError, c.InvalidRequest) as error:
            raise c.NotificationRejected("the body is no event") from error

    def _ask(self, method: str, path: str, *, key: str = "", body: Any = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json", "idempotency-key": key}
        try:
            answer = send(method, f"{self._base}{path}", headers=headers, deadline_seconds=10,
                          body=b"" if body is None else json.dumps(body).encode(),
                          allow_loopback=self.mode is c.Mode.TEST)  # fmt: skip
            said: dict[str, Any] = json.loads(answer.body)
        except (OutboundTimeout, OutboundFailed, ValueError) as error:
            raise c.Unavailable(f"no answer from Acme Pay ({type(error).__name__})") from error
        if answer.status >= 300:
            raise REFUSED.get(answer.status, c.Unavailable)("Acme Pay refuses", http_status=answer.status)
        return said


def build() -> c.Provider:
    """Make it from the environment: the entry point of the group `shop_payments.providers` names this function."""
    return AcmeProvider(environment=os.environ["ENVIRONMENT"], key=os.environ["ACME_KEY"], base=os.environ.get(
        "ACME_API_BASE", OFFICIAL), secrets=os.environ["ACME_SECRETS"].split(","))  # fmt: skip


def _wanted(of: c.StartRequest | c.RefundRequest) -> dict[str, Any]:
    takes = AcmeProvider.capabilities.currencies
    if type(of.amount_minor) is not int or of.amount_minor <= 0 or of.currency not in takes:
        raise c.InvalidRequest("Acme Pay takes whole cents of EUR and USD", code="amount")
    return {"reference": of.reference, "amount": of.amount_minor, "currency": of.currency}


def _id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\w{1,60}(\.\w{1,60}){0,3}", value, re.ASCII):
        raise c.InvalidRequest("that is no id of Acme Pay's", code="id")
    return value


def _mode(told: Mapping[str, Any]) -> c.Mode:
    return c.Mode.LIVE if told["live"] is True else c.Mode.TEST


def _refund(told: Mapping[str, Any]) -> c.RefundSnapshot:
    return c.RefundSnapshot(refund_id=told["id"], capture_id=told["capture"], amount_minor=told["amount"],
                            currency=told["currency"], status=told["status"], reference=told["reference"])  # fmt: skip
