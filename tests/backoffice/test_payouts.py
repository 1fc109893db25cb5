"""The pages of payouts and bank lines: the sum, the remainder, the files, and who says what a bank line is."""

from __future__ import annotations

import csv
import io
import re
import uuid
from datetime import datetime
from typing import Any

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from integrations.contract import BalanceEntry, EntryKind
from orders.models import Order
from payments import actions, staff_operations
from payments.bank import importing as bank_import
from payments.bank.statements import StatementLine
from payments.models import AuditRecord, BankLine, BankMatch, LedgerEntry, Payout, PayoutMirror, StaffAction
from payments.payouts.mirror import mirror
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.backoffice.people import signed_in
from tests.fake_provider import FakeProvider
from tests.staff import make_staff
from tests.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("recent_step_up")]

HOSTILE = '=HYPERLINK("x")<script>alert(1)</script>'


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    world.tell(fake.the_payment())
    world.work()
    return world


def paid_out(world: World, *more: BalanceEntry, **changes: Any) -> Payout:
    capture = world.provider.the_payment().captures[0]
    entry = world.provider.entry(EntryKind.PAYMENT, 2000, fee_minor=59, source_id=capture.capture_id)
    told = world.provider.pay_out([entry, *more], **changes)
    mirror("stripe", clock=world.clock)
    return Payout.objects.get(payout_id=told.payout_id)


def booked(world: World, amount: int, *, reference: str = "") -> BankLine:
    line = StatementLine(
        number=2, account="main", booked_on=world.now.date(), amount_minor=amount, currency="EUR", reference=reference
    )
    bank_import.store([line], file_digest="f" * 64, at=world.now)
    return BankLine.objects.latest("pk")


def page_of(payout: Payout, role: Role = Role.FINANCE) -> str:
    url = reverse("admin:payments_payout_change", args=[payout.pk])
    return signed_in(role).get(url).content.decode()


def words(page: str) -> str:
    """The page's text, blanks as one."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_sum_line_by_line(world: World) -> None:
    payout = paid_out(world, world.provider.entry(EntryKind.FEE, -100, description="Radar"))
    shown = page_of(payout)
    assert "Explained to the cent" in shown
    text = words(shown)
    for line in (
        "Gross payments 1 20.00 EUR", "Fees 1 -1.59 EUR", "Refunds 0 0.00 EUR", "Adjustments 0 0.00 EUR",
        "What its entries come to 2 18.41 EUR", "Paid out 18.41 EUR", "Unexplained remainder (must be 0) 0 0.00 EUR",
    ):  # fmt: skip
        assert line in text, line
    assert reverse("admin:orders_order_change", args=[world.order_id]) in shown


def test_a_remainder_names_its_entries_and_its_case(world: World) -> None:
    stray = world.provider.entry(EntryKind.PAYMENT, 700, fee_minor=50, source_id="ch_stray")
    payout = paid_out(world, stray)
    text = words(page_of(payout, Role.AUDITOR))
    assert "6.50 EUR is not explained" in text
    assert "No payment of ours is ch_stray. Unexplained: 6.50 EUR." in text
    assert "A payout is not explained to the cent , open" in text
    home = words(signed_in(Role.FINANCE).get(reverse("admin:index")).content.decode())
    assert "Payouts with an unexplained remainder : 1" in home
    assert "Payouts and bank" not in signed_in(Role.SUPPORT).get(reverse("admin:index")).content.decode()
    listed = signed_in(Role.FINANCE).get(reverse("admin:payments_payout_changelist") + "?explained=no")
    assert payout.payout_id in listed.content.decode()
    explained = signed_in(Role.FINANCE).get(reverse("admin:payments_payout_changelist") + "?explained=yes")
    assert payout.payout_id not in explained.content.decode()


def test_a_manual_payout_says_so(world: World) -> None:
    shown = page_of(paid_out(world, automatic=False))
    assert "Not explained item by item" in shown
    assert "was made by hand" in shown


def test_text_from_outside_stays_text(world: World) -> None:
    payout = paid_out(world, world.provider.entry(EntryKind.ADJUSTMENT, 5, description=HOSTILE))
    shown = page_of(payout)
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
    line = booked(world, -5, reference=HOSTILE)
    seen = signed_in(Role.FINANCE).get(reverse("admin:payments_bankline_change", args=[line.pk])).content.decode()
    assert "<script>alert" not in seen


def test_a_payout_that_cannot_be_read_is_said_on_the_first_page(world: World) -> None:
    PayoutMirror.objects.create(
        provider="stripe", entries_until=world.now, next_at=world.now, error="configuration: it refuses our key"
    )
    home = signed_in(Role.FINANCE).get(reverse("admin:index")).content.decode()
    assert "The payouts of stripe cannot be read (configuration: it refuses our key)" in home


class TestFiles:
    def ask(self, payout: Payout, form: str, role: Role = Role.FINANCE) -> Any:
        return signed_in(role).get(reverse("backoffice:export_payout", args=[payout.pk, form]))

    def test_csv(self, world: World) -> None:
        payout = paid_out(world, world.provider.entry(EntryKind.ADJUSTMENT, 5, description=HOSTILE))
        answer = self.ask(payout, "csv")
        assert answer["Content-Disposition"] == f'attachment; filename="payout-{payout.pk}.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
        assert [row["kind"] for row in rows] == ["adjustment", "payment", "paid out"]
        assert [row["net"] for row in rows] == ["0.05", "19.41", "19.46"]
        assert rows[1]["order"] == str(world.order_id)
        assert rows[0]["description"].startswith("'=HYPERLINK")
        assert rows[2]["unexplained"] == "0.00"
        record = AuditRecord.objects.get(event="exported")
        assert (record.subject_kind, record.subject_id) == ("payout", payout.pk)

    def test_xlsx_tells_the_same(self, world: World) -> None:
        payout = paid_out(world, world.provider.entry(EntryKind.ADJUSTMENT, 5, description=HOSTILE))
        answer = self.ask(payout, "xlsx", Role.AUDITOR)
        sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))["Export"]
        answer.close()
        rows = list(sheet.iter_rows(values_only=True))
        assert [row[8] for row in rows[1:]] == [0.05, 19.41, 19.46]
        assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}, "no formula"

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.INTEGRATIONS, Role.ADMIN])
    def test_who_may_not_have_it(self, world: World, role: Role) -> None:
        payout = paid_out(world)
        for form in ("csv", "xlsx"):
            assert self.ask(payout, form, role).status_code == 403
        url = reverse("admin:payments_payout_change", args=[payout.pk])
        assert signed_in(role).get(url).status_code == 403
        assert not AuditRecord.objects.filter(event="exported").exists()

    def test_another_format_is_none(self, world: World) -> None:
        assert self.ask(paid_out(world), "pdf").status_code == 404


class TestActs:
    def ask(self, name: str, line: BankLine, parameters: dict[str, Any], world: World) -> StaffAction:
        kind = staff_operations.get(name)
        preview = kind.preview(line.pk, parameters, at=world.now)
        return actions.request(
            uid=uuid.uuid4(), operation=kind, subject_id=line.pk, parameters=parameters,
            fingerprint=preview.fingerprint, reason_code=next(iter(kind.reasons)), reason="The statement says so.",
            user=make_staff(Role.FINANCE), via="admin", clock=world.clock,
        )  # fmt: skip

    def test_a_line_is_matched_by_hand_and_posted(self, world: World) -> None:
        payout = paid_out(world)
        world.wait(days=20)
        line = booked(world, payout.amount_minor)
        action = self.ask("match_bank_line", line, {"payout": payout.payout_id}, world)
        assert action.state == "executed"
        match = BankMatch.objects.get()
        assert (match.line, match.payout, match.note) == (line, payout, "The statement says so.")
        assert match.matched_by == action.requested_by
        held = {entry.account: entry.amount_minor for entry in LedgerEntry.objects.order_by("pk")}
        assert (held["bank"], held["payouts"]) == (payout.amount_minor, -payout.amount_minor)
        shown = signed_in(Role.FINANCE).get(reverse("admin:payments_bankline_change", args=[line.pk])).content.decode()
        assert f"arrival of {payout.payout_id}" in shown
        assert "It is said already which payout this bank line is." in shown

    def test_a_line_is_set_aside(self, world: World) -> None:
        line = booked(world, -90000, reference="Rent")
        assert self.ask("set_aside_bank_line", line, {}, world).state == "executed"
        assert BankMatch.objects.get().payout is None
        assert not LedgerEntry.objects.filter(account="bank").exists()
        lines = reverse("admin:payments_bankline_changelist")
        listed = {name: signed_in(Role.FINANCE).get(f"{lines}?is={name}") for name in ("open", "other", "payout")}
        assert {name: "Rent" in page.content.decode() for name, page in listed.items()} == {
            "open": False, "other": True, "payout": False,
        }  # fmt: skip

    @pytest.mark.parametrize(("parameters", "why"), [
        ({"payout": "po_none"}, "There is no payout po_none"),
        ({"payout": "{other}"}, "ask the bank for the difference"),
    ])  # fmt: skip
    def test_what_cannot_be_matched(self, world: World, parameters: dict[str, str], why: str) -> None:
        payout = paid_out(world)
        line = booked(world, payout.amount_minor - 100)
        with pytest.raises(NotPossible, match=why):
            self.ask("match_bank_line", line, {"payout": parameters["payout"].format(other=payout.payout_id)}, world)

    def test_the_page_offers_what_fits(self, world: World) -> None:
        payout = paid_out(world)
        line = booked(world, payout.amount_minor)
        shown = signed_in(Role.FINANCE).get(reverse("admin:payments_bankline_change", args=[line.pk])).content.decode()
        assert reverse("admin:payments_payout_change", args=[payout.pk]) in shown
        form = signed_in(Role.FINANCE).get(reverse("backoffice:act", args=["match_bank_line", line.pk]))
        assert f'value="{payout.payout_id}"' in form.content.decode()

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.AUDITOR, Role.INTEGRATIONS, Role.ADMIN])
    def test_only_finance_says_it(self, world: World, role: Role) -> None:
        line = booked(world, 5)
        for name in ("match_bank_line", "set_aside_bank_line", "unmatch_bank_line"):
            assert signed_in(role).get(reverse("backoffice:act", args=[name, line.pk])).status_code == 403

    def test_two_people_at_once_say_it_once(self, world: World) -> None:
        payout = paid_out(world)
        world.wait(days=20)
        line, other = booked(world, payout.amount_minor), booked(world, payout.amount_minor, reference="other")
        self.ask("match_bank_line", line, {"payout": payout.payout_id}, world)
        with pytest.raises(NotPossible, match="Another bank line is payout"):
            self.ask("match_bank_line", other, {"payout": payout.payout_id}, world)
        assert BankMatch.objects.count() == 1
