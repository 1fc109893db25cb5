"""The control API under /_sandbox/: one POST per verb, JSON in, JSON out. For tests, the demo and `trigger`; loopback
only.

A web page in a developer's browser must not reach it: requests with an Origin header, or not sent as JSON, are refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Protocol

from integrations.sandbox import faults, journal, webhooks
from integrations.sandbox.faults import Fault
from integrations.sandbox.store import EMPTY_ALL, Store, Transaction
from integrations.sandbox.webhooks import Rule, WebhookSender
from integrations.sandbox.wire import Json, Request, Response, json_response

_SETTINGS = ("clock_offset_seconds", "signature_offset_seconds", "balance_delay_seconds", "list_lag_seconds")
_RELEASE_ORDERS = ("queued", "reversed", "given")


class ControlledProvider(Protocol):
    """What the control API needs of a provider."""

    name: str

    def control(self, tx: Transaction, verb: str, args: Json) -> Json | None: ...

    def sign_raw(self, tx: Transaction, body: bytes, *, secret: str | None, at: int | None) -> dict[str, str]: ...


class BadControl(ValueError):
    """The control request makes no sense: the message says what to send instead."""


class ControlApi:
    """Finds the verb and runs it; provider verbs run in one transaction."""

    def __init__(self, *, store: Store, provider: ControlledProvider, sender: WebhookSender) -> None:
        self._store = store
        self._provider = provider
        self._sender = sender
        self._in_transaction: dict[str, Callable[[Transaction, Json], Json]] = {
            "health": self._health,
            "requests": _requests,
            "faults.add": _add_fault,
            "faults.list": lambda tx, _args: {"faults": faults.listing(tx)},
            "faults.clear": _clear_faults,
            "webhooks.rule": _add_rule,
            "webhooks.clear_rules": _clear_rules,
            "webhooks.endpoint": _set_endpoint,
            "webhooks.deliveries": _deliveries,
            "webhooks.resend": _resend,
            "settings": _set_settings,
            "reset": _reset,
        }
        self._outside: dict[str, Callable[[Json], Json]] = {
            "webhooks.release": self._release,
            "webhooks.send_raw": self._send_raw,
        }

    def handle(self, request: Request) -> Response:
        """Answers one control request: 200 with the verb's answer, 400 with a message, 404 for an unknown verb."""
        if request.header("origin") is not None:
            return _error(403, "The control API is not for browsers.")
        if request.method != "POST" or request.header("content-type") != "application/json":
            return _error(405, "POST a JSON object as application/json.")
        try:
            args = json.loads(request.body or b"{}")
            if not isinstance(args, dict):
                raise BadControl("send a JSON object")
            answer = self._run(request.path.removeprefix("/_sandbox/"), args)
        except (ValueError, LookupError, TypeError) as error:
            return _error(400, f"{type(error).__name__}: {error}")
        except Exception as error:
            if not hasattr(error, "status"):
                raise
            return _error(400, str(error))
        return _error(404, "There is no such control verb.") if answer is None else json_response(answer)

    def _run(self, verb: str, args: Json) -> Json | None:
        if verb in self._outside:
            return self._outside[verb](args)
        with self._store.transaction() as tx:
            answer = (
                self._in_transaction[verb](tx, args)
                if verb in self._in_transaction
                else self._provider.control(tx, verb, args)
            )
        self._sender.nudge()
        return answer

    def _health(self, tx: Transaction, _args: Json) -> Json:
        queued = len(webhooks.listing(tx, state="queued")) + len(webhooks.listing(tx, state="sending"))
        return {"provider": self._provider.name, "now": tx.now(), "webhooks_queued": queued}

    def _release(self, args: Json) -> Json:
        """Sends held deliveries one after the other, each only after the answer to the one before."""
        order, wanted = args.get("order", "queued"), args.get("event_ids")
        if order not in _RELEASE_ORDERS:
            raise BadControl(f"order must be one of {', '.join(_RELEASE_ORDERS)}")
        with self._store.transaction() as tx:
            held = webhooks.listing(tx, state="held")
        if wanted is not None:
            held = [delivery for delivery in held if delivery["event_id"] in wanted]
        if order == "reversed":
            held.reverse()
        elif order == "given" and wanted is not None:
            held.sort(key=lambda delivery: wanted.index(delivery["event_id"]))
        return {"sent": [{"event_id": d["event_id"], "type": d["type"], **self._sender.send(d["id"])} for d in held]}

    def _send_raw(self, args: Json) -> Json:
        """POSTs any bytes to the endpoint. args: body_base64, secret, timestamp, headers (they replace the signed
        ones).
        """
        try:
            body = base64.b64decode(args["body_base64"], validate=True)
        except binascii.Error as error:
            raise BadControl("body_base64 is not base64") from error
        with self._store.transaction() as tx:
            url = tx.setting("webhook_url")
            headers = self._provider.sign_raw(tx, body, secret=args.get("secret"), at=args.get("timestamp"))
        if not url:
            raise BadControl("no webhook endpoint is set")
        changed = {**headers, **(args.get("headers") or {})}
        kept = {name: value for name, value in changed.items() if value is not None}
        status, error_text = webhooks.post(url=url, body=body, headers=kept)
        return {"status": status, "error": error_text}


def _error(status: int, message: str) -> Response:
    return json_response({"error": {"message": message}}, status=status)


def _requests(tx: Transaction, args: Json) -> Json:
    rows = journal.listing(
        tx, method=args.get("method"), path_prefix=args.get("path_prefix", "/"),
        after_id=args.get("after_id", 0),
        limit=args.get("limit", 10_000),
    )  # fmt: skip
    return {"requests": rows}


def _add_fault(tx: Transaction, args: Json) -> Json:
    return {"id": faults.add(tx, Fault(**args))}


def _clear_faults(tx: Transaction, _args: Json) -> Json:
    faults.clear(tx)
    return {}


def _add_rule(tx: Transaction, args: Json) -> Json:
    types: list[Any] = args.get("types") or []
    return {"id": webhooks.add_rule(tx, Rule(**{**args, "types": tuple(types)}))}


def _clear_rules(tx: Transaction, _args: Json) -> Json:
    webhooks.clear_rules(tx)
    return {}


def _set_endpoint(tx: Transaction, args: Json) -> Json:
    if "url" in args:
        tx.set_setting("webhook_url", webhooks.check_url(args["url"]) if args["url"] else None)
    if "secrets" in args:
        tx.set_setting("webhook_secrets", [str(secret) for secret in args["secrets"] if secret])
    if "retry_seconds" in args:
        tx.set_setting("webhook_retry_seconds", [float(pause) for pause in args["retry_seconds"]])
    return {"url": tx.setting("webhook_url"), "retry_seconds": tx.setting("webhook_retry_seconds", [])}


def _deliveries(tx: Transaction, args: Json) -> Json:
    return {"deliveries": webhooks.listing(tx, state=args.get("state"), event_id=args.get("event_id"))}


def _resend(tx: Transaction, args: Json) -> Json:
    row = tx.one("SELECT type FROM deliveries WHERE event_id = ? LIMIT 1", args["event_id"])
    webhooks.enqueue(tx, event_id=args["event_id"], event_type=row["type"] if row else "")
    return {}


def _set_settings(tx: Transaction, args: Json) -> Json:
    for name, value in args.items():
        if name not in _SETTINGS:
            raise BadControl(f"unknown setting {name!r}; known: {', '.join(_SETTINGS)}")
        tx.set_setting(name, int(value))
    return {name: tx.setting(name, 0) for name in _SETTINGS} | {"now": tx.now()}


def _reset(tx: Transaction, _args: Json) -> Json:
    """Forgets all objects, keys, records and switches; keeps the account and the webhook endpoint."""
    for statement in EMPTY_ALL:
        tx.run(statement)
    for name in _SETTINGS:
        tx.set_setting(name, 0)
    tx.set_setting("settlement", None)
    return {}
