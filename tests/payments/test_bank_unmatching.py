"""What was said of a bank line is undone, reversed in the ledger, and can be said rightly."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from integrations.contract import EntryKind, PayoutStatus
from payments import actions, staff_operations
from payments.bank import matching as bank_matching
from payments.ledger import check as ledger_check
from payments.models import BankLine, BankMatch, BankMatchUndoing, LedgerTransaction, StaffAction
from payments.payouts.mirror import mirror
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.fake_provider import FakeProvider
from tests.payments.test_bank_matching import ARRIVES, act, balance, booked, pay_out
from tests.staff import make_staff

pytestmark = pytest.mark.django_db


def undo(line: BankLine, now: datetime) -> StaffAction:
    return act("unmatch_bank_line", line, now, reason_code="another_payout")


def meaning(line: BankLine) -> str:
    match = BankLine.objects.get(pk=line.pk).match
    return match.meaning if match else "open"


def posted() -> list[tuple[str, int]]:
    """Return what bank lines posted: cause and what the bank got by it, in order."""
    found = LedgerTransaction.objects.filter(cause_kind__startswith="bank_line").order_by("pk")
    return [(each.cause_kind, each.entries.get(account="bank").amount_minor) for each in found]


def test_the_wrong_one_of_two_equal_payouts_is_put_right(fake: FakeProvider, now: datetime) -> None:
    line, first = booked(now), pay_out(fake, now)
    second = pay_out(fake, now)
    assert meaning(line) == f"arrival of {first.payout_id}", "the rule saw only one"
    assert ledger_check.check().findings == []

    undo(line, now)
    assert (meaning(line), balance("bank"), balance("payouts")) == ("open", 0, 2 * 1941)
    assert ledger_check.check().findings == []

    act("match_bank_line", line, now, reason_code="several_fitted", payout=second.payout_id)
    other = booked(now, counterparty="again")
    assert bank_matching.match_open_lines(at=now) == 1
    assert (meaning(line), meaning(other)) == (f"arrival of {second.payout_id}", f"arrival of {first.payout_id}")
    assert (balance("bank"), balance("payouts")) == (2 * 1941, 0)
    assert posted() == [
        ("bank_line", 1941), ("bank_line_undone", -1941), ("bank_line_again", 1941), ("bank_line", 1941),
    ]  # fmt: skip
    assert BankMatch.objects.count() == 3, "what was said first stays on record"
    assert ledger_check.check().findings == []


def test_the_rule_leaves_it_to_people_from_then_on(fake: FakeProvider, now: datetime) -> None:
    line, payout = booked(now), pay_out(fake, now)
    undo(line, now)
    assert bank_matching.candidates(line) == [payout], "a person is still shown what fits"
    assert bank_matching.match_open_lines(at=now) == 0
    mirror("stripe", clock=lambda: now + timedelta(hours=1))
    assert meaning(line) == "open"
    assert list(bank_matching.unmatched()) == [line], "it counts among those that nobody has named"


def test_an_undoing_that_was_itself_a_mistake(fake: FakeProvider, now: datetime) -> None:
    line, payout = booked(now), pay_out(fake, now)
    for turn in range(3):
        undo(line, now)
        act("match_bank_line", line, now, reason_code="provider_told", payout=payout.payout_id)
        match = BankMatch.objects.standing().get()
        assert (match.line_turn, match.payout_turn) == (turn + 1, turn + 1)
    assert (balance("bank"), balance("payouts")) == (1941, 0)
    assert ledger_check.check().findings == []


def test_a_return_is_undone_and_the_arrival_stays(fake: FakeProvider, now: datetime) -> None:
    payout = pay_out(fake, now)
    arrival = booked(now)
    bank_matching.match_open_lines(at=now)
    fake.move_payout(fake.payouts[payout.payout_id], PayoutStatus.FAILED)
    mirror("stripe", clock=lambda: now)
    wrong = booked(now, -1941, day=ARRIVES + timedelta(days=2))
    bank_matching.match_open_lines(at=now)
    assert meaning(wrong) == f"return of {payout.payout_id}"

    undo(wrong, now)
    assert (meaning(arrival), meaning(wrong)) == (f"arrival of {payout.payout_id}", "open")
    right = booked(now, -1941, day=ARRIVES + timedelta(days=3))
    act("match_bank_line", right, now, reason_code="provider_told", payout=payout.payout_id)
    act("set_aside_bank_line", wrong, now, reason_code="other_business")
    assert (balance("bank"), balance("payouts"), balance("clearing:stripe")) == (0, 0, 1941)
    assert ledger_check.check().findings == []


def test_a_payout_whose_arrival_was_undone_waits_for_no_return(fake: FakeProvider, now: datetime) -> None:
    line, payout = booked(now), pay_out(fake, now)
    fake.move_payout(fake.payouts[payout.payout_id], PayoutStatus.FAILED)
    undo(line, now)
    mirror("stripe", clock=lambda: now)
    assert bank_matching.candidates(booked(now, -1941)) == []


class TestSetAside:
    """A line that was said to be of no payout."""

    def test_a_person_takes_it_back(self, fake: FakeProvider, now: datetime) -> None:
        line = booked(now)
        act("set_aside_bank_line", line, now, reason_code="other_business")
        assert meaning(line) == "of no payout"
        undo(line, now)
        assert (meaning(line), posted()) == ("open", [])
        act("set_aside_bank_line", line, now, reason_code="bank_charges")
        assert meaning(line) == "of no payout"
        assert ledger_check.check().findings == []

    def test_one_that_was_matched_after_all_is_open_again(self, fake: FakeProvider, now: datetime) -> None:
        line = booked(now)
        act("set_aside_bank_line", line, now, reason_code="other_business")
        payout = pay_out(fake, now)
        act("match_bank_line", line, now, reason_code="set_aside_by_mistake", payout=payout.payout_id)
        done = undo(line, now)
        assert len(done.result["undone"]) == 2
        assert (meaning(line), balance("payouts")) == ("open", 1941)
        assert ledger_check.check().findings == []


class TestRefusals:
    def test_an_open_line_has_nothing_to_undo(self, fake: FakeProvider, now: datetime) -> None:
        line = booked(now)
        with pytest.raises(NotPossible, match="Nothing is said"):
            undo(line, now)
        pay_out(fake, now)
        undo(line, now)
        with pytest.raises(NotPossible, match="Nothing is said"):
            undo(line, now)

    def test_a_line_that_is_none(self, now: datetime) -> None:
        with pytest.raises(NotPossible, match="There is no bank line 77"):
            staff_operations.get("unmatch_bank_line").preview(77, {}, at=now)

    def test_what_was_said_since_the_preview_is_not_undone_unseen(self, fake: FakeProvider, now: datetime) -> None:
        line = booked(now)
        act("set_aside_bank_line", line, now, reason_code="other_business")
        operation = staff_operations.get("unmatch_bank_line")
        seen = operation.preview(line.pk, {}, at=now)
        payout = pay_out(fake, now)
        act("match_bank_line", line, now, reason_code="set_aside_by_mistake", payout=payout.payout_id)
        with pytest.raises(NotPossible, match="Something changed"):
            actions.request(
                uid=uuid.uuid4(), operation=operation, subject_id=line.pk, parameters={}, fingerprint=seen.fingerprint,
                reason_code="of_no_payout", reason="As the statement says.", user=make_staff(Role.FINANCE),
                via="admin", clock=lambda: now,
            )  # fmt: skip
        assert not BankMatchUndoing.objects.exists()

    def test_the_database_lets_one_match_be_undone_once(self, fake: FakeProvider, now: datetime) -> None:
        line, _ = booked(now), pay_out(fake, now)
        undo(line, now)
        undoing = BankMatchUndoing.objects.get()
        with pytest.raises(IntegrityError), transaction.atomic():
            BankMatchUndoing.objects.create(match=undoing.match, undone_by=undoing.undone_by, at=now)

    def test_an_unposted_undoing_is_a_finding(self, fake: FakeProvider, now: datetime) -> None:
        booked(now)
        pay_out(fake, now)
        BankMatchUndoing.objects.create(match=BankMatch.objects.get(), undone_by=make_staff(Role.FINANCE), at=now)
        assert [found.code for found in ledger_check.check().findings] == ["no_posting"]


@pytest.mark.django_db(transaction=True)
def test_eight_people_at_once_undo_it_once(fake: FakeProvider, now: datetime) -> None:
    line, _ = booked(now), pay_out(fake, now)
    operation = staff_operations.get("unmatch_bank_line")
    seen = operation.preview(line.pk, {}, at=now)
    people = [make_staff(Role.FINANCE) for _ in range(8)]
    outcomes: list[Any] = []

    def press(person: Any) -> None:
        try:
            done = actions.request(
                uid=uuid.uuid4(), operation=operation, subject_id=line.pk, parameters={}, fingerprint=seen.fingerprint,
                reason_code="of_no_payout", reason="As the statement says.", user=person, via="admin",
                clock=lambda: now,
            )  # fmt: skip
            outcomes.append(str(done.state))
        except NotPossible:
            outcomes.append("refused")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(press, people))
    assert outcomes.count("executed") == 1 and set(outcomes) <= {"executed", "overtaken", "refused"}
    assert len(outcomes) == 8
    assert (balance("bank"), balance("payouts"), BankMatchUndoing.objects.count()) == (0, 1941, 1)
    assert ledger_check.check().findings == []


def test_a_debit_matched_wrongly(fake: FakeProvider, now: datetime) -> None:
    told = fake.pay_out([fake.entry(EntryKind.ADJUSTMENT, -500)])
    mirror("stripe", clock=lambda: now)
    line = booked(now, -500)
    bank_matching.match_open_lines(at=now)
    assert meaning(line) == f"arrival of {told.payout_id}"
    undo(line, now)
    assert (balance("bank"), balance("payouts")) == (0, -500)
    assert ledger_check.check().findings == []


class Desk:
    """Three equal payouts and five equal lines, and people of Finance who say and undo at random what each line is."""

    def __init__(self, fake: FakeProvider, now: datetime, seed: int) -> None:
        self.now, self.dice = now, random.Random(seed)
        self.payouts = [pay_out(fake, now).payout_id for _ in range(3)]
        self.lines = [booked(now, counterparty=f"line {number}") for number in range(5)]
        self.person = make_staff(Role.FINANCE)
        self.did: Counter[str] = Counter()

    def step(self) -> None:
        """Let the rule come by, or a person press one of the three buttons."""
        if self.dice.random() < 0.1:
            bank_matching.match_open_lines(at=self.now)
            return
        name = self.dice.choice(["match_bank_line", "match_bank_line", "set_aside_bank_line", "unmatch_bank_line"])
        operation, line = staff_operations.get(name), self.dice.choice(self.lines)
        parameters = {"payout": self.dice.choice(self.payouts)} if name == "match_bank_line" else {}
        try:
            done = actions.request(
                uid=uuid.uuid4(), operation=operation, subject_id=line.pk, parameters=parameters,
                fingerprint=operation.preview(line.pk, parameters, at=self.now).fingerprint,
                reason_code=next(iter(operation.reasons)), reason="As the statement says.", user=self.person,
                via="admin", clock=lambda: self.now,
            )  # fmt: skip
        except NotPossible:
            self.did["refused"] += 1
        else:
            self.did[f"{name} {done.state}"] += 1


def agree() -> None:
    """What stands is said once a line and once a payout, and the ledger is what stands."""
    standing = BankMatch.objects.standing().exclude(payout=None).select_related("line")
    assert len({match.line_id for match in standing}) == len({match.payout_id for match in standing}) == len(standing)
    assert balance("bank") == sum(match.line.amount_minor for match in standing)
    assert ledger_check.check().findings == []
    open_lines = {line.pk for line in BankLine.objects.all() if line.match is None}
    assert set(bank_matching.unmatched().values_list("pk", flat=True)) == open_lines


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_people_say_and_undo_the_ledger_is_what_stands(fake: FakeProvider, now: datetime, seed: int) -> None:
    desk = Desk(fake, now, seed)
    for _ in range(40):
        desk.step()
        agree()
    assert min(desk.did[f"{name}_bank_line executed"] for name in ("match", "set_aside", "unmatch")) > 2, desk.did


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_whatever_they_say_at_once(fake: FakeProvider, now: datetime) -> None:
    desks = [Desk.__new__(Desk) for _ in range(4)]
    first = Desk(fake, now, 0)
    for seed, desk in enumerate(desks):
        desk.__dict__.update(first.__dict__, dice=random.Random(seed), did=Counter())

    def work(desk: Desk) -> None:
        try:
            for _ in range(25):
                desk.step()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(desks)) as pool:
        list(pool.map(work, desks))  # raises what any of them did
    agree()
    assert sum(desk.did["unmatch_bank_line executed"] for desk in desks) > 2
