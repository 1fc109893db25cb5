"""A recording receiver that speaks Tryton's JSON-RPC, as far as invoicing and taking payments goes.

After trytond 8.2 and account_invoice 8.2; `make erp` holds the connector against the real one. As there: 401 without a
session, errors as `error` with 200, unknown fields refused, a party's code unique, a posted invoice not posted again, a
paid one not paid again. As there too, nothing stops two drafts of one reference.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.receivers.server import Answer, Asked

USER, PASSWORD = "shop", "password-of-the-shop-0123"  # pragma: allowlist secret
ACCOUNT, METHOD = "4.1.1", "Online payments"
_INVOICE = {
    *("type", "company", "party", "currency", "account", "invoice_address", "journal", "payment_term"),
    *("reference", "description", "lines"),
}
_LINE = {"type", "description", "quantity", "unit_price", "account", "currency", "company"}
_START = {
    *("payee", "payees", "amount", "currency", "company", "invoice_account", "payment_method", "date", "description"),
}


class UserError(Exception):
    """Tryton says no, in a sentence."""


class Ended(Exception):
    """There is no such session."""


class Tryton:
    """One database with one company. Records by model and id, as Tryton's JSON has them."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.logins = 0
        self.records: dict[str, dict[int, dict[str, Any]]] = {
            "currency.currency": {1: {"code": "EUR"}, 2: {"code": "KWD"}},
            "account.account": {39: {"code": "1.2.1", "company": 1}, 99: {"code": ACCOUNT, "company": 1}},
            "account.invoice.payment.method": {1: {"name": METHOD, "company": 1}},
            "party.party": {1: {"code": "1", "name": "The Shop"}},
            "account.invoice": {},
        }
        self.payments: list[dict[str, Any]] = []
        self._wizards: dict[int, bool] = {}
        self._methods: dict[str, Callable[..., Any]] = {
            "model.account.invoice.on_change": self._on_change,
            "model.account.invoice.create": self._create_invoice,
            "model.account.invoice.post": self._post,
            "model.party.party.create": self._create_party,
            "wizard.account.invoice.pay.create": self._open_wizard,
            "wizard.account.invoice.pay.execute": self._pay,
            "wizard.account.invoice.pay.delete": self._close_wizard,
        }

    @property
    def invoices(self) -> list[dict[str, Any]]:
        return list(self.records["account.invoice"].values())

    def answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) != ("POST", "/shop/rpc/"):
            return Answer(404, "<!doctype html><title>404 Not Found</title>")
        body = asked.json()
        if set(body) != {"id", "method", "params"} or "json" not in asked.headers.get("content-type", ""):
            return Answer(400, "<!doctype html><title>400 Bad Request</title>")
        try:
            result = self._call(body["method"], body["params"], asked.headers.get("authorization", ""))
        except Ended:
            return Answer(401, "<!doctype html><title>401 Unauthorized</title>")
        except UserError as error:
            return Answer(200, {"id": body["id"], "error": ["UserError", [str(error), "", None]]})
        except (KeyError, TypeError, ValueError) as error:
            return Answer(200, {"id": body["id"], "error": [str(error), "Traceback (most recent call last): …"]})
        return Answer(200, {"id": body["id"], "result": result})

    def _call(self, method: str, parameters: list[Any], authorization: str) -> Any:
        if method == "common.db.login":
            return self._login(*parameters)
        if authorization not in self.sessions:
            raise Ended
        *given, context = parameters
        if not isinstance(context, dict) or context.get("company") != 1:
            raise TypeError("Missing context argument")
        if method in self._methods:
            takes_context = method.startswith("wizard.")
            return self._methods[method](*given, **({"context": context} if takes_context else {}))
        model, _, verb = method.removeprefix("model.").rpartition(".")
        if verb == "search":
            return self._search(model, *given)
        if verb == "read":
            return self._read(model, *given)
        raise KeyError(method)

    def _login(self, user: str, parameters: dict[str, str]) -> list[Any]:
        if (user, parameters) != (USER, {"password": PASSWORD}):
            raise Ended
        self.logins += 1
        key = secrets.token_hex(32)
        self.sessions.add("Session " + base64.b64encode(f"{USER}:2:{key}".encode()).decode())
        return [2, key, None]

    def _search(self, model: str, domain: list[Any], offset: int, limit: int | None, order: Any) -> list[int]:
        for name, operator, _ in domain:
            if operator != "=" or not all(name in record for record in self.records[model].values()):
                raise KeyError(name)
        if order not in (None, [["id", "ASC"]]):
            raise ValueError("order")
        fits = [
            one
            for one, record in sorted(self.records[model].items())
            if all(record[name] == value for name, _, value in domain)
        ]
        return fits[offset:][:limit]

    def _read(self, model: str, ids: list[int], names: list[str]) -> list[dict[str, Any]]:
        found = [{"id": one, **{name: self.records[model][one][name] for name in names}} for one in ids]
        return found[::-1]  # in no order that one may rely on

    def _create_party(self, parties: list[dict[str, Any]]) -> list[int]:
        (party,) = parties
        if unknown := set(party) - {"name", "code", "addresses", "contact_mechanisms"}:
            raise KeyError(unknown)
        if any(known["code"] == party["code"] for known in self.records["party.party"].values()):
            raise UserError("The code on party must be unique.")
        return [self._keep("party.party", party)]

    def _on_change(self, values: dict[str, Any], names: list[str]) -> dict[str, Any]:
        if not {"type", "party"} <= set(names) or values["party"] not in self.records["party.party"]:
            raise KeyError("party")
        return {"account": 39, "invoice_address": values["party"], "journal": 1, "payment_term": None, "account.": {}}

    def _create_invoice(self, invoices: list[dict[str, Any]]) -> list[int]:
        (invoice,) = invoices
        if set(invoice) != _INVOICE:
            raise KeyError(set(invoice) ^ _INVOICE)
        ((verb, lines),) = invoice["lines"]
        if verb != "create" or any(set(line) != _LINE for line in lines):
            raise KeyError("lines")
        total = sum((Decimal(line["quantity"]) * _decimal(line["unit_price"]) for line in lines), Decimal(0))
        money = {"total_amount": _json(total), "amount_to_pay": _json(Decimal(0))}
        return [self._keep("account.invoice", {**invoice, **money, "state": "draft", "number": None})]

    def _post(self, ids: list[int]) -> None:
        for one in ids:
            invoice = self.records["account.invoice"][one]
            if invoice["state"] not in ("draft", "validated"):
                raise UserError(f'You can not call "post" on "{one}" of "Account Invoice".')
            numbers = [int(known["number"]) for known in self.invoices if known["number"]]
            invoice.update(
                state="posted", number=str(max(numbers, default=0) + 1), amount_to_pay=invoice["total_amount"]
            )

    def _open_wizard(self, *, context: dict[str, Any]) -> list[Any]:
        self._wizards[len(self._wizards) + 1] = True
        return [len(self._wizards), "start", "end"]

    def _pay(self, session: int, data: dict[str, Any], state: str, *, context: dict[str, Any]) -> dict[str, Any]:
        if (
            not self._wizards.get(session)
            or state != "choice"
            or set(data) != {"start"}
            or set(data["start"]) != _START
        ):
            raise KeyError("wizard")
        if context["active_model"] != "account.invoice" or context["active_ids"] != [context["active_id"]]:
            raise KeyError("active_id")
        invoice = self.records["account.invoice"][context["active_id"]]
        if invoice["state"] != "posted":
            raise UserError(f'You cannot add an overpayment to paid invoice "{invoice["number"]}".')
        if data["start"]["amount"] != invoice["amount_to_pay"]:
            return {"view": {"state": "ask"}}
        self.payments.append({**data["start"], "invoice": context["active_id"]})
        invoice.update(state="paid", amount_to_pay=_json(Decimal(0)))
        return {}

    def _close_wizard(self, session: int, *, context: dict[str, Any]) -> None:
        self._wizards[session] = False

    def _keep(self, model: str, record: dict[str, Any]) -> int:
        one = max(self.records[model], default=0) + 1
        self.records[model][one] = record
        return one


def _decimal(value: dict[str, str]) -> Decimal:
    if value["__class__"] != "Decimal":
        raise TypeError("not a decimal")
    return Decimal(value["decimal"])


def _json(value: Decimal) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": str(value)}
