"""The ledger's screens: what they show, filters, exports and their record, closing from the page, who may what."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from openpyxl import load_workbook

from orders.money import Money
from payments.audit.events import Event
from payments.ledger import chart
from payments.ledger import periods as accounting_periods
from payments.ledger import posting as ledger
from payments.ledger import watch as ledger_watch
from payments.models import AuditRecord, Capture, LedgerTransaction
from payments.roles import Role
from tests.backoffice.people import signed_in
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db

PAGE, LIST, EXPORT = "/admin/ledger/", "/admin/payments/ledgertransaction/", "/admin/ledger/export/"
IN_OCTOBER = datetime(2026, 10, 15, 12, tzinfo=UTC)
DAYS = {"since": "2026-10-01", "until": "2026-10-31"}
HOSTILE = "=HYPERLINK(1)<b>x"


@pytest.fixture
def sold(fake: FakeProvider) -> World:
    """An order of October, paid: 20.00 EUR with a fee of 0.59; and a fee whose note comes from outside."""
    world = World(provider=fake, order=make_order(now=IN_OCTOBER), now=IN_OCTOBER)
    world.press_pay()
    fake.pay(fake.the_payment())
    world.tell(fake.the_payment())
    world.work()
    ledger.post(
        cause_kind="gift", cause_id=7, amount=Money(5, "JPY"), debit=chart.FEES, credit=chart.clearing("stripe"),
        at=IN_OCTOBER + timedelta(days=1), note=HOSTILE,
    )  # fmt: skip
    return world


@pytest.fixture
def finance(sold: World) -> Client:
    return signed_in(Role.FINANCE)


def text_of(client: Client, url: str, **asked: Any) -> str:
    answer = client.get(url, asked)
    assert answer.status_code == 200, answer
    return " ".join(unescape(answer.content.decode()).split())


class TestTheTrialBalance:
    def test_it_shows_sides_totals_and_the_equation(self, finance: Client) -> None:
        shown = text_of(finance, PAGE)
        told = "asset 19.41 EUR + expense 0.59 EUR + liability 0.00 EUR + income -20.00 EUR = 0.00 EUR"
        assert told in shown
        assert "asset -5 JPY + expense 5 JPY + liability 0 JPY + income 0 JPY = 0 JPY" in shown
        assert "Debits and credits are equal." in shown

    def test_at_the_end_of_a_day(self, finance: Client) -> None:
        assert "Nothing was posted by then." in text_of(finance, PAGE, until="2026-10-14")
        assert "19.41 EUR" in text_of(finance, PAGE, until="2026-10-15")
        assert "JPY" not in text_of(finance, PAGE, until="2026-10-15")

    def test_a_date_that_is_none_is_told(self, finance: Client) -> None:
        assert "Enter a valid date" in text_of(finance, PAGE, until="yesterday")
        assert "less than or equal to" in text_of(finance, PAGE, until="9999-12-31")

    def test_closed_months_and_whether_the_next_can_be_closed(self, finance: Client) -> None:
        assert "Close the month 2026-10: The ledger was not verified since" in text_of(finance, PAGE).replace(
            "<strong>", ""
        ).replace("</strong>", "")
        accounting_periods.close(
            month=IN_OCTOBER.date().replace(day=1), actor="user:1", at=datetime(2026, 11, 2, tzinfo=UTC)
        )
        shown = text_of(finance, PAGE)
        assert 'href="?until=2026-10-31">2026-10</a>, closed on 2026-11-02 00:00 UTC by user:1' in shown
        assert "2026-11" in shown
        assert "is not over" in shown or "was not verified" in shown

    def test_the_last_check_is_told(self, finance: Client) -> None:
        assert "was not verified yet" in text_of(finance, PAGE)
        ledger_watch.go_on(IN_OCTOBER + timedelta(days=30))
        assert "first: Postings of cause 'gift' cannot be checked." in text_of(finance, PAGE)


class TestTheList:
    def numbers(self, client: Client, **asked: str) -> list[int]:
        shown = text_of(client, LIST, **asked)
        return [pk for pk in LedgerTransaction.objects.values_list("pk", flat=True) if f"{LIST}{pk}/change/" in shown]

    def test_by_account_cause_and_date(self, finance: Client) -> None:
        pks = dict(LedgerTransaction.objects.values_list("cause_kind", "pk"))
        assert self.numbers(finance, account="sales") == [pks["capture"]]
        assert self.numbers(finance, cause_kind="fee") == [pks["fee"]]
        assert self.numbers(finance, on="2026-10-16") == [pks["gift"]]
        assert sorted(self.numbers(finance, on="2026-10")) == sorted(pks.values())
        assert self.numbers(finance, on="2026-09") == self.numbers(finance, on="nonsense") == []

    def test_a_transaction_leads_to_its_cause(self, finance: Client) -> None:
        posting = LedgerTransaction.objects.get(cause_kind="capture")
        shown = text_of(finance, f"{LIST}{posting.pk}/change/")
        assert f"/admin/payments/capture/{Capture.objects.get().pk}/change/" in shown
        assert "A provider took money for us." in shown
        assert "20.00 EUR" in shown

    def test_what_comes_from_outside_is_text(self, finance: Client) -> None:
        answer = finance.get(LIST).content.decode()
        assert "<b>x" not in answer
        assert "&lt;b&gt;x" in answer


class TestExports:
    def rows(self, client: Client, **asked: str) -> list[list[str]]:
        answer = client.get(EXPORT, {**DAYS, "form": "csv", **asked})
        assert answer.status_code == 200
        body = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        return list(csv.reader(io.StringIO(body)))

    def test_the_journal_as_csv(self, finance: Client, sold: World) -> None:
        header, *rows = self.rows(finance, what="journal")
        assert header[4:9] == ["account", "currency", "debit", "credit", "amount_minor"]
        assert [row[4:9] for row in rows[:2]] == [
            ["clearing:stripe", "EUR", "20.00", "", "2000"],
            ["sales", "EUR", "", "20.00", "-2000"],
        ]
        assert rows[-1][9] == f"'{HOSTILE}", "no spreadsheet takes it for a formula"
        assert sum(int(row[8]) for row in rows) == 0

    def test_pages_of_the_journal_join(self, finance: Client, sold: World, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = self.rows(finance, what="journal")
        monkeypatch.setattr("payments.ledger.export.AT_ONCE", 1)
        assert self.rows(finance, what="journal") == whole
        assert len(whole) == 1 + 6

    def test_the_balance_as_csv(self, finance: Client, sold: World) -> None:
        _, *rows = self.rows(finance, what="balance")
        assert ["sales", "income", "EUR", "0.00", "0.00", "20.00", "-20.00", "-2000"] in rows

    def test_xlsx_holds_numbers_and_harmless_text(self, finance: Client, sold: World) -> None:
        answer = finance.get(EXPORT, {**DAYS, "what": "journal", "form": "xlsx"})
        book = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]
        rows = list(book["Export"].iter_rows())
        assert [cell.value for cell in rows[1]][4:9] == ["clearing:stripe", "EUR", 20, None, 2000]
        assert (rows[-1][9].value, rows[-1][9].data_type) == (f"'{HOSTILE}", "s")

    def test_a_sheet_that_would_be_too_long_is_refused(
        self, finance: Client, sold: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("payments.backoffice.ledger.MOST_SHEET_ROWS", 5)
        answer = finance.get(EXPORT, {**DAYS, "what": "journal", "form": "xlsx"}, follow=True)
        assert "choose fewer days, or CSV" in unescape(answer.content.decode())
        assert not AuditRecord.objects.filter(event=Event.EXPORTED).exists()

    def test_each_is_recorded(self, finance: Client, sold: World) -> None:
        self.rows(finance, what="balance")
        record = AuditRecord.objects.get(event=Event.EXPORTED)
        assert record.details == {"what": "ledger balance", "format": "csv", **DAYS}
        assert record.actor.startswith("user:")

    @pytest.mark.parametrize(
        "asked",
        [
            {"since": "2026-11-30"},
            {"form": "pdf"},
            {"what": "all"},
            {"until": ""},
            {"since": "-1"},
            {"until": "9999-12-31"},
        ],
    )
    def test_what_cannot_be_exported_is_told(self, finance: Client, sold: World, asked: dict[str, str]) -> None:
        answer = finance.get(EXPORT, {**DAYS, "what": "journal", "form": "csv", **asked}, follow=True)
        assert "Nothing was exported." in unescape(answer.content.decode())
        assert not AuditRecord.objects.filter(event=Event.EXPORTED).exists()


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.FINANCE, 200), (Role.LEAD, 200), (Role.AUDITOR, 200), (Role.SUPPORT, 403), (Role.INTEGRATIONS, 403)],
)
@pytest.mark.parametrize("url", [PAGE, LIST, f"{EXPORT}?what=balance&since=2026-10-01&until=2026-10-31&form=csv"])
def test_who_may_read(sold: World, role: Role, status: int, url: str) -> None:
    assert signed_in(role).get(url).status_code == status


def test_only_finance_is_offered_to_close(sold: World) -> None:
    assert "Your roles do not let you close the month" in text_of(signed_in(Role.LEAD), PAGE)
