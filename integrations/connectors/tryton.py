"""ERP: Tryton (8.x) by its JSON-RPC. Of a paid order: the party, the invoice, posted, and its payment, once.

Tryton knows no idempotency key, so each step first looks whether it is done: the party by its code, which Tryton keeps
unique, the invoice by our reference, its posting and payment by its state. Only a draft can be made twice, by a call
that ends on Tryton's side after we gave it up; the one with the lowest id is then the invoice, the other stays a draft
without number or money. A refund is the same with a negative line: Tryton's credit note.
The shop has no tax rates: lines are gross, on the one account that the options name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from integrations.connectors.api import ApiConnector, ExternalIds, Job, Refused
from integrations.connectors.contract import Message
from integrations.connectors.options import PREFIX, Option, read_options
from integrations.connectors.payloads import day_of, decimal_amount, moved_in_order_currency, need, order_reference
from integrations.connectors.tryton_rpc import Tryton, as_decimal, day, number, signed_in
from integrations.facts import Fact
from integrations.failure import Failure

OPTIONS = {
    "company": Option(says="The company's id", form="[0-9]{1,9}", default="1"),
    "account": Option(says="The code of the account that sales are booked on"),
    "payment_method": Option(says="The name of the payment method that payments are booked with"),
    "prefix": PREFIX,
}
T = TypeVar("T")

_SEEN = ["state", "number", "total_amount", "amount_to_pay", "party", "account", "currency"]


class TrytonConnector(ApiConnector):
    """The address is the database's, `https://erp.example/<database>`; the secret is `user:password`."""

    kind = "tryton"
    facts = frozenset({Fact.ORDER_PAID, Fact.REFUND_SUCCEEDED})
    options = OPTIONS
    secret_has_name = True

    def look(self, job: Job) -> ExternalIds | None:
        """Return the invoice's ids if it stands there paid."""
        found = self._run(job, lambda tryton, options: _find(tryton, _reference(job, options)))
        return _ids(found) if found and found["state"] == "paid" else None

    def tell(self, job: Job) -> ExternalIds:
        """Take the invoice from where it stands to paid. Money that paid no order was never invoiced: nothing to do."""
        if job.message.payload.get("refund_of", "applied") != "applied":
            return {}
        return self._run(job, lambda tryton, options: _tell(tryton, job.message, options, _reference(job, options)))

    def _run(self, job: Job, use: Callable[[Tryton, Mapping[str, str]], T]) -> T:
        options = read_options(job.receiver, OPTIONS)
        return signed_in(job.receiver, company=int(options["company"]), use=lambda tryton: use(tryton, options))


def _tell(tryton: Tryton, message: Message, options: Mapping[str, str], reference: str) -> ExternalIds:
    total = _total(message)
    invoice = _find(tryton, reference)
    if invoice is None:
        _create(tryton, message, options, reference)
        invoice = _find(tryton, reference)
    if invoice is None or as_decimal(invoice["total_amount"]) != total:
        raise Refused(Failure.PERMANENT, f"The invoice {reference} in Tryton is not over {total}; it was not posted.")
    if invoice["state"] in ("draft", "validated"):
        tryton("model.account.invoice.post", [invoice["id"]])
        invoice = _read(tryton, [invoice["id"]])[0]
    if invoice["state"] == "posted":
        _pay(tryton, message, options, invoice)
        invoice = _read(tryton, [invoice["id"]])[0]
    if invoice["state"] != "paid":
        raise Refused(Failure.PERMANENT, f"The invoice {reference} is {invoice['state']} in Tryton after its payment.")
    return _ids(invoice)


def _find(tryton: Tryton, reference: str) -> dict[str, Any] | None:
    """Return the invoice of this reference. Raises Refused where a person has to say which it is."""
    domain = [["reference", "=", reference], ["type", "=", "out"], ["company", "=", tryton.company]]
    found = _read(tryton, tryton("model.account.invoice.search", domain, 0, 100, [["id", "ASC"]]))
    booked = [invoice for invoice in found if invoice["state"] in ("posted", "paid")]
    if len(booked) > 1:
        raise Refused(Failure.PERMANENT, f"Tryton has {len(booked)} posted invoices with the reference {reference}.")
    open_ones = [invoice for invoice in found if invoice["state"] != "cancelled"]
    if found and not open_ones:
        raise Refused(Failure.PERMANENT, f"The invoice {reference} was cancelled in Tryton; nothing is booked again.")
    return next(iter([*booked, *open_ones]), None)


def _read(tryton: Tryton, ids: list[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tryton("model.account.invoice.read", ids, _SEEN) if ids else []
    return sorted(found, key=lambda invoice: int(invoice["id"]))


def _create(tryton: Tryton, message: Message, options: Mapping[str, str], reference: str) -> None:
    account = tryton.the_only(
        "account.account",
        f"account with the code {options['account']}",
        *(["code", "=", options["account"]], ["company", "=", tryton.company]),
    )
    code = need(message, "currency")
    currency = tryton.the_only("currency.currency", f"currency {code}", ["code", "=", code])
    head = {"type": "out", "company": tryton.company, "party": _party(tryton, message, options), "currency": currency}
    # As Tryton's own client does: the account, the address and the journal follow from the party.
    filled = tryton("model.account.invoice.on_change", head, ["type", "party"])
    invoice = {
        **head,
        **{name: filled.get(name) for name in ("account", "invoice_address", "journal", "payment_term")},
        "reference": reference,
        "description": f"Shop order {need(message, 'number')}",
        "lines": [["create", [_line(line, account, currency, tryton.company) for line in _lines(message)]]],
    }
    tryton("model.account.invoice.create", [invoice])


def _party(tryton: Tryton, message: Message, options: Mapping[str, str]) -> int:
    """Return the shopper's party, by a code that Tryton keeps unique.

    Parties that Tryton knew before are left alone: anybody may type their e-mail address into a shop.
    """
    email = str(need(message, "email")).lower()
    code = options["prefix"] + hashlib.sha256(email.encode()).hexdigest()[:16]
    found: list[int] = tryton("model.party.party.search", [["code", "=", code]], 0, 1, None)
    if not found:
        mail = {"type": "email", "value": email}
        party = {
            "name": email,
            "code": code,
            "addresses": [["create", [{}]]],
            "contact_mechanisms": [["create", [mail]]],
        }
        found = tryton("model.party.party.create", [party])
    return found[0]


def _pay(tryton: Tryton, message: Message, options: Mapping[str, str], invoice: dict[str, Any]) -> None:
    """Book the payment through Tryton's own wizard, which refuses a second one."""
    name = options["payment_method"]
    method = tryton.the_only(
        "account.invoice.payment.method",
        f"payment method {name}",
        *(["name", "=", name], ["company", "=", tryton.company]),
    )
    refund = message.fact == Fact.REFUND_SUCCEEDED
    kind, moved_at = ("refund", "refunded_at") if refund else ("capture", "captured_at")
    start = {
        "payee": invoice["party"],
        "payees": [invoice["party"]],
        "amount": invoice["amount_to_pay"],
        "currency": invoice["currency"],
        "company": tryton.company,
        "invoice_account": invoice["account"],
        "payment_method": method,
        "date": day(day_of(message, moved_at)),
        "description": f"{need(message, 'provider')} {need(message, kind)}",
    }
    session = tryton("wizard.account.invoice.pay.create")[0]
    shown = {"active_model": "account.invoice", "active_id": invoice["id"], "active_ids": [invoice["id"]]}
    tryton("wizard.account.invoice.pay.execute", session, {"start": start}, "choice", **shown)
    tryton("wizard.account.invoice.pay.delete", session)


def _lines(message: Message) -> list[tuple[str, int, Decimal]]:
    """Return what is invoiced: text, quantity, price each."""
    if message.fact == Fact.REFUND_SUCCEEDED:
        return [(f"Refund of order {need(message, 'number')}", -1, moved_in_order_currency(message, "refund"))]
    return [
        (f"{line['name']} ({line['sku']})", line["quantity"], decimal_amount(message, line["unit_price_minor"]))
        for line in need(message, "lines")
    ]


def _total(message: Message) -> Decimal:
    if message.fact == Fact.REFUND_SUCCEEDED:
        return -moved_in_order_currency(message, "refund")
    return decimal_amount(message, need(message, "total_minor"))


def _line(line: tuple[str, int, Decimal], account: int, currency: int, company: int) -> dict[str, Any]:
    text, quantity, price = line
    return {
        "type": "line",
        "description": text,
        "quantity": quantity,
        "unit_price": number(price),
        "account": account,
        "currency": currency,
        "company": company,
    }


def _reference(job: Job, options: Mapping[str, str]) -> str:
    reference = order_reference(job.message, prefix=options["prefix"])
    if job.message.fact == Fact.REFUND_SUCCEEDED:
        refund = hashlib.sha256(str(need(job.message, "refund")).encode()).hexdigest()[:8]
        return f"{reference}-refund-{refund}"
    return reference


def _ids(invoice: dict[str, Any]) -> ExternalIds:
    return {"invoice": str(invoice["number"]), "invoice id": str(invoice["id"]), "party id": str(invoice["party"])}
