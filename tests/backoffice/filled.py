"""A back office with something of everything in it: orders in many states, cases, dead letters, requests, notes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import reverse

from integrations.contract import EntryKind
from integrations.models import Delivery, Destination
from orders.models import Order
from payments import actions, notes, staff_operations
from payments.bank import importing as bank_import
from payments.bank import matching as bank_matching
from payments.bank.statements import StatementLine
from payments.cases import notes as case_notes
from payments.models import BankLine, Case, Dispute, Payout, ProviderEvent, StaffAction
from payments.payouts import mirror as payout_mirror
from payments.reconciliation import lists
from payments.roles import Role
from payments.staff_operations import StaffOperation
from tests.factories import make_order, make_product
from tests.fake_provider import FakeProvider, Payment
from tests.staff import make_staff
from tests.world import World


@dataclass(frozen=True, slots=True)
class Filled:
    """The rows that screens are opened for."""

    paid: Order
    late: Order
    open: Order
    action: StaffAction

    def subject_of(self, kind: StaffOperation) -> int:
        """Return a subject that this kind of act is about; 0 for a set."""
        found = {
            "order": self.late.pk if kind.name == "reopen_with_late_money" else self.open.pk,
            "event": ProviderEvent.objects.filter(state="dead").values_list("pk", flat=True).first(),
            "case": Case.objects.filter(closed_at=None).values_list("pk", flat=True).first(),
            "dispute": Dispute.objects.values_list("pk", flat=True).first(),
            "destination": Destination.objects.values_list("pk", flat=True).first(),
            "delivery": Delivery.objects.values_list("pk", flat=True).first(),
            "bank_line": BankLine.objects.filter(matches__isnull=kind.name != "unmatch_bank_line")
            .order_by("pk")
            .values_list("pk", flat=True)
            .first(),
            "user": get_user_model().objects.order_by("pk").values_list("pk", flat=True).first(),
        }
        return found.get(kind.subject_kind) or 0

    def more_screens(self) -> Iterator[tuple[str, str]]:
        """Yield screens that neither a model nor a kind of act names."""
        yield "request", self.action.get_absolute_url()
        yield "ledger", reverse("backoffice:ledger")
        yield "order-late", reverse("admin:orders_order_change", args=[self.late.pk])
        yield "order-open", reverse("admin:orders_order_change", args=[self.open.pk])
        explained = Payout.objects.filter(remainder_minor=0).latest("pk")
        yield "payout-explained", reverse("admin:payments_payout_change", args=[explained.pk])
        matched = BankLine.objects.filter(matches__undoing=None, matches__isnull=False).latest("pk")
        yield "bankline-matched", reverse("admin:payments_bankline_change", args=[matched.pk])
        yield "order-search", reverse("admin:orders_order_changelist") + "?q=shopper@example.com"


def fill(fake: FakeProvider, *, now: datetime) -> Filled:
    """Let a small shop live for two hours before this moment."""
    make_product()
    Destination.objects.create(
        name="ERP", kind="webhook", address="https://erp.example/in", idempotent=True, created_at=now,
        facts=["order.placed", "order.paid", "order.expired", "case.opened", "capture.unapplied"],
    )  # fmt: skip
    paid, late = (World(provider=fake, order=make_order(now=now), now=now) for _ in range(2))
    _pay(paid, fake)
    _dispute(paid, fake)
    late.press_pay()
    payment = _newest(fake)
    late.wait(minutes=61)
    late.work()
    fake.pay(payment)
    late.tell(payment, event_id="evt_late")
    late.work()
    recently = now + timedelta(minutes=110)
    open_ = World(provider=fake, order=make_order(now=recently), now=recently)
    open_.press_pay()
    ProviderEvent.objects.filter(event_id="evt_late").update(state="dead", error="It broke.", next_try_at=None)
    letters = Delivery.objects.filter(destination__name="ERP")
    letters.update(state="sending", tries=1)
    letters.update(
        state="dead", died_at=now, dead_reason="permanent", last_failure="permanent", last_detail="It says no (422)."
    )
    _refund(paid, fake)
    _pay_out(fake, now=now)
    _reconcile(now=now)
    return Filled(paid=paid.order, late=late.order, open=open_.order, action=_ask(late, now=now))


def _pay(world: World, fake: FakeProvider) -> None:
    world.press_pay()
    payment = _newest(fake)
    fake.pay(payment)
    world.tell(payment, event_id="evt_paid")
    world.work()


def _refund(world: World, fake: FakeProvider) -> None:
    """One refund that the bank takes its time for."""
    fake.refund_status = "pending"
    world.refund(100)
    fake.refund_status = "succeeded"


def _pay_out(fake: FakeProvider, *, now: datetime) -> None:
    """Two payouts, one of them with a remainder; bank lines that are matched, open, and no longer matched."""
    earlier = now - timedelta(hours=3)
    capture = next(iter(fake.payments.values())).captures[0]
    entries = [
        fake.entry(
            EntryKind.PAYMENT, capture.amount_minor, fee_minor=59, source_id=capture.capture_id, created_at=earlier
        ),
        fake.entry(EntryKind.ADJUSTMENT, 25, description="Credit", created_at=earlier),
    ]
    told = fake.pay_out(entries, created_at=earlier, arrives_at=now)
    stray = fake.entry(EntryKind.PAYMENT, 700, fee_minor=50, source_id="ch_stray", created_at=earlier)
    fake.pay_out([stray], created_at=earlier, arrives_at=now)
    payout_mirror.mirror("stripe", clock=lambda: now)
    lines = [("STRIPE " + told.payout_id, told.amount_minor), ("Rent", -90000), ("STRIPE", 650)]
    bank_import.store(
        [
            StatementLine(
                number=number, account="main", booked_on=now.date(), amount_minor=amount, currency="EUR",
                reference=reference,
            )
            for number, (reference, amount) in enumerate(lines, start=2)
        ],
        file_digest="f" * 64,
        at=now,
    )  # fmt: skip
    bank_matching.match_open_lines(at=now)
    wrong = BankLine.objects.get(amount_minor=650)
    with transaction.atomic():
        bank_matching.undo(wrong, at=now, user=make_staff(Role.FINANCE, name="bank-person"), note="Another's.")


def _reconcile(*, now: datetime) -> None:
    """One run over the lists, which suspects the payout that is not explained."""
    lists.reconcile(
        "stripe", since=now - timedelta(days=1), dry_run=True, actor="command:reconcile", clock=lambda: now,
        pause=lambda _: None,
    )  # fmt: skip


def _newest(fake: FakeProvider) -> Payment:
    return list(fake.payments.values())[-1]


def _ask(world: World, *, now: datetime) -> StaffAction:
    lead = make_staff(Role.LEAD, name="lead-of-the-desk")
    finance = make_staff(Role.FINANCE, name="finance-person")
    notes.add(order=world.order, user=lead, text="The customer rang twice.", uid=uuid.uuid4(), at=now)
    case = Case.objects.filter(closed_at=None).first()
    if case is not None:
        case_notes.add(case=case, user=finance, text="Asked the bank.", uid=uuid.uuid4(), at=now)
    operation = staff_operations.get("reopen_with_late_money")
    return actions.request(
        uid=uuid.uuid4(), operation=operation, subject_id=world.order_id, parameters={},
        fingerprint=operation.preview(world.order_id, {}, at=now).fingerprint,
        reason_code="customer_wants_order", reason="They still want the lamp.", user=lead, via="admin",
        clock=lambda: now + timedelta(hours=2),
    )  # fmt: skip


def _dispute(world: World, fake: FakeProvider) -> None:
    """Let the bank take the order's money back."""
    payment = _newest(fake)
    fake.dispute(payment)
    world.tell(payment, "charge.dispute.created", event_id="evt_disputed")
    world.work()
