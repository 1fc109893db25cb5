"""Gives a fresh Tryton database books to write in. Runs in Tryton's own environment, never in the shop's.

`python books.py CONFIG DATABASE YEAR CURRENCY…`: a company in the first currency, the minimal chart of accounts, that
year's periods, a payment method, the other currencies at par, and the user `shop`, who may invoice and take payments
and nothing else. Prints what the connector's options need, as one JSON line. The password of `shop` comes from standard
input.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from decimal import Decimal
from typing import Any

from proteus import Model, Wizard, config

CHART = "account.account_template_root_en"
GROUPS = ["Accounting", "Party Administration"]
"""What an invoice needs: to write parties, invoices and their payment."""


def main(config_file: str, database: str, year: str, *codes: str) -> None:
    """Set up everything, once."""
    session = config.set_trytond(database=database, config_file=config_file)
    currencies = [_currency(code, since=date(int(year), 1, 1)) for code in codes]
    company = _company(currencies[0])
    session._context = Model.get("res.user").get_preferences(True, {})  # proteus offers nothing else
    accounts = _chart(company)
    _year(company, int(year))
    method = _payment_method(company, accounts["cash"])
    _user(company, password=sys.stdin.readline().strip())
    print(json.dumps({"company": company.id, "account": accounts["revenue"].code, "payment_method": method.name}))


def _currency(code: str, *, since: date) -> Any:
    """Make a currency, at par: rates are no business of the test. Yen have no decimals, dinars three."""
    digits = {"JPY": 0, "KWD": 3}.get(code, 2)
    currency = Model.get("currency.currency")(name=code, symbol=code, code=code, digits=digits)
    currency.rounding = Decimal(1).scaleb(-digits)
    currency.rates.new(date=since, rate=Decimal(1))
    currency.save()
    return currency


def _company(currency: Any) -> Any:
    party = Model.get("party.party")(name="The Shop")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = party, currency
    wizard.execute("add")
    (company,) = Model.get("company.company").find([])
    return company


def _chart(company: Any) -> dict[str, Any]:
    template = Model.get("account.account.template")(Model.get("ir.model.data").get_id(CHART, {}))
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template, wizard.form.company = template, company
    wizard.execute("create_account")
    find = Model.get("account.account").find
    accounts = {
        kind: find([(f"type.{kind}", "=", True), ("company", "=", company.id), ("closed", "!=", True)], limit=1)[0]
        for kind in ("receivable", "payable", "revenue", "expense")
    }
    (accounts["cash"],) = find([("company", "=", company.id), ("code", "=", "1.1.1")])
    wizard.form.account_receivable, wizard.form.account_payable = accounts["receivable"], accounts["payable"]
    wizard.form.category_account_expense = accounts["expense"]
    wizard.form.category_account_revenue = accounts["revenue"]
    wizard.execute("create_properties")
    return accounts


def _year(company: Any, number: int) -> None:
    year = Model.get("account.fiscalyear")(name=str(number), company=company)
    year.start_date, year.end_date = date(number, 1, 1), date(number, 12, 31)
    year.move_sequence = _sequence("Account Move", company)
    numbers, (kinds,) = _sequence("Invoice", company), year.invoice_sequences
    kinds.out_invoice_sequence = kinds.in_invoice_sequence = numbers
    kinds.out_credit_note_sequence = kinds.in_credit_note_sequence = numbers
    year.save()
    year.click("create_period")


def _sequence(kind: str, company: Any) -> Any:
    (type_,) = Model.get("ir.sequence.type").find([("name", "=", kind)], limit=1)
    sequence = Model.get("ir.sequence.strict")(name=kind, sequence_type=type_, company=company)
    sequence.save()
    return sequence


def _payment_method(company: Any, cash: Any) -> Any:
    (journal,) = Model.get("account.journal").find([("type", "=", "cash")], limit=1)
    method = Model.get("account.invoice.payment.method")(name="Online payments", company=company, journal=journal)
    method.credit_account = method.debit_account = cash
    method.save()
    return method


def _user(company: Any, *, password: str) -> None:
    user = Model.get("res.user")(name="Shop", login="shop", password=password)
    user.companies.append(company)
    user.company = company
    for name in GROUPS:
        user.groups.extend(Model.get("res.group").find([("name", "=", name)]))
    user.save()


if __name__ == "__main__":
    main(*sys.argv[1:])
