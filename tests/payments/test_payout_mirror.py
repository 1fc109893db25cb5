"""The mirror of payouts: killed anywhere it ends the same; it is due when it should be; whatever the entries, each
payout is explained or a Case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.contract import Capabilities, EntryKind, Mode, PayoutStatus, ProviderIds, Unavailable
from integrations.guard import GuardedProvider
from integrations.providers.stripe.notifications import RELEVANT_TYPES
from payments import inbox, working
from payments.models import BalanceEntry, Case, LedgerEntry, LedgerTransaction, Payout, PayoutLine, PayoutMirror
from payments.monitoring import watch
from payments.payouts import mirror as payout_mirror
from payments.payouts import recording as payouts
from payments.payouts import watch as payout_watch
from payments.payouts.explanation import explain
from payments.payouts.mirror import Busy, Unoffered, mirror
from tests.fake_provider import FakeProvider
from tests.integrations.test_guard import Scripted

pytestmark = pytest.mark.django_db

PLACES = ["payouts.before_commit", "payouts.between_pages", "payout.before_commit"]


class Killed(BaseException):
    """In the place of SIGKILL: nothing catches it, and what runs `finally` is switched off beside it."""


def fill(fake: FakeProvider) -> None:
    """Three payouts over seven entries, in pages of two."""
    fake.page_size = 2
    entries = [fake.entry(EntryKind.ADJUSTMENT, 100 + number, fee_minor=number) for number in range(7)]
    fake.pay_out(entries[:3])
    fake.pay_out(entries[3:6])
    fake.pay_out(entries[6:], missing_minor=1)


def told() -> dict[str, Any]:
    """All that a mirroring leaves behind, whatever the keys."""
    return {
        "entries": sorted(BalanceEntry.objects.values_list("entry_id", "net_minor")),
        "lines": sorted(PayoutLine.objects.values_list("payout__payout_id", "entry__entry_id")),
        "payouts": sorted(Payout.objects.values_list("payout_id", "state", "remainder_minor")),
        "cases": sorted(Case.objects.values_list("kind", "amount_minor", "times_seen")),
        "ledger": sorted(LedgerEntry.objects.values_list("transaction__cause_kind", "account", "amount_minor")),
    }


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, place: str, passes: int) -> Iterator[list[str]]:
    """Die at the n-th pass of a place; the lease stays behind, as it does when a process is killed."""
    seen: list[str] = []

    def die(name: str) -> None:
        if name == place:
            seen.append(name)
            if len(seen) == passes:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(payout_mirror, "failpoint", die)
        patch.setattr(payouts, "failpoint", die)
        patch.setattr(payout_mirror, "_release", lambda *_, **__: None)
        yield seen


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("passes", [1, 2, 3, 5, 8])
def test_killed_anywhere_it_ends_the_same(
    fake: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch, place: str, passes: int
) -> None:
    fill(fake)
    with killed_at(monkeypatch, place, passes) as seen:
        try:
            mirror("stripe", clock=lambda: now)
        except Killed:
            pass
        else:
            assert len(seen) < passes
            PayoutMirror.objects.update(lease_until=now + timedelta(seconds=45))
    with pytest.raises(Busy):
        mirror("stripe", clock=lambda: now + timedelta(seconds=30))
    later = now + timedelta(seconds=46)
    done = mirror("stripe", clock=lambda: later)
    assert (done.complete, done.error) == (True, None)
    assert told() == {
        "entries": sorted((entry.entry_id, entry.net_minor) for entry in fake.balance),
        "lines": sorted((payout, entry.entry_id) for payout, made_of in fake.entries_of.items() for entry in made_of),
        "payouts": sorted(zip(fake.payouts, ["paid"] * 3, [0, 0, 1], strict=True)),
        "cases": [("payout_remainder", 1, 1)],
        "ledger": told()["ledger"],
    }
    assert LedgerTransaction.objects.count() == 3 + 7 + 6, "payouts, adjustments, fees but the one of 0"


def test_a_killed_mirror_does_not_read_again_what_it_has(
    fake: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(fake)
    with killed_at(monkeypatch, "payouts.between_pages", 3), pytest.raises(Killed):
        mirror("stripe", clock=lambda: now)
    fake.calls.clear()
    mirror("stripe", clock=lambda: now + timedelta(seconds=46))
    assert fake.calls[0] == ("list_balance_entries", "6")


class TestWhenItIsDue:
    def test_every_quarter_of_an_hour(self, fake: FakeProvider, now: datetime) -> None:
        assert not payout_watch.is_due(now)
        payout_watch.begin_mirrors(now)
        assert payout_watch.is_due(now)
        assert payout_watch.mirror_due(clock=lambda: now, goes_on=lambda: True) == 2
        assert not payout_watch.is_due(now + timedelta(minutes=14))
        assert payout_watch.is_due(now + timedelta(minutes=15))

    def test_the_keeper_does_it(self, fake: FakeProvider, now: datetime) -> None:
        fill(fake)
        watch.once_a_minute(now)
        assert working.keeping_due(now)
        working.keep_house(clock=lambda: now)
        assert Payout.objects.filter(provider="stripe", remainder_minor=0).count() == 2

    def test_a_webhook_hints_at_it_and_is_no_payment(self, fake: FakeProvider, now: datetime) -> None:
        payout_watch.begin_mirrors(now)
        payout_watch.mirror_due(clock=lambda: now, goes_on=lambda: True)
        heard = fake.notification("evt_1", "payout.paid", relevant=False, of_payouts=True, ids=ProviderIds())
        assert inbox.receive(heard, body=b"{}", at=now + timedelta(minutes=1))
        assert payout_watch.is_due(now + timedelta(minutes=1))
        assert not any(kind.startswith("payout") for kind in RELEVANT_TYPES)

    def test_one_that_ran_out_of_time_goes_on_at_once(self, fake: FakeProvider, now: datetime) -> None:
        fill(fake)
        payout_watch.begin_mirrors(now)
        left = iter([True] * 4)
        payout_watch.mirror_due(clock=lambda: now, goes_on=lambda: next(left, False))
        assert payout_watch.is_due(now)

    def test_one_that_failed_is_tried_later(self, fake: FakeProvider, now: datetime) -> None:
        payout_watch.begin_mirrors(now)
        PayoutMirror.objects.filter(provider="other").delete()
        fake.fail_next = [Unavailable("away", retry_after_seconds=900)]
        payout_watch.mirror_due(clock=lambda: now, goes_on=lambda: True)
        assert not payout_watch.is_due(now + timedelta(minutes=14))
        assert payout_watch.is_due(now + timedelta(minutes=15))

    def test_a_defect_is_no_storm(self, fake: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        payout_watch.begin_mirrors(now)
        monkeypatch.setattr(fake, "list_balance_entries", lambda **_: 1 / 0)
        assert payout_watch.mirror_due(clock=lambda: now, goes_on=lambda: True) == 2
        assert not payout_watch.is_due(now + timedelta(minutes=4))

    def test_a_provider_that_tells_no_payouts(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        from integrations import providers

        monkeypatch.setattr(providers, "get", lambda name: GuardedProvider(Scripted(lambda: None)))
        monkeypatch.setattr(providers, "enabled", lambda: ("scripted",))
        assert isinstance(providers.get("scripted").capabilities, Capabilities)
        assert payout_watch.begin_mirrors(now) == 0
        with pytest.raises(Unoffered):
            mirror("scripted", clock=lambda: now)

    def test_after_a_long_absence_no_payout_is_missed(self, fake: FakeProvider, now: datetime) -> None:
        payout_watch.begin_mirrors(now)
        mirror("stripe", clock=lambda: now)
        entry = fake.entry(EntryKind.ADJUSTMENT, 5, created_at=now + timedelta(hours=1))
        fake.pay_out([entry], created_at=now + timedelta(hours=2))
        mirror("stripe", clock=lambda: now + timedelta(days=30))
        assert Payout.objects.get().remainder_minor == 0


def test_a_payout_of_the_other_mode_is_a_case_and_nothing_is_written(
    fake: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations import providers

    monkeypatch.setattr(providers, "get", lambda name: GuardedProvider(fake))
    fake.pay_out([fake.entry(EntryKind.ADJUSTMENT, 5)], mode=Mode.LIVE)
    assert not mirror("stripe", clock=lambda: now).complete
    assert (Payout.objects.count(), Case.objects.get().kind) == (0, "wrong_mode")


_KINDS = st.sampled_from([EntryKind.PAYMENT, EntryKind.REFUND, EntryKind.DISPUTE, EntryKind.FEE,
                          EntryKind.ADJUSTMENT, EntryKind.PAYOUT_FAILURE])  # fmt: skip
_ENTRIES = st.lists(st.tuples(_KINDS, st.integers(-10_000, 10_000), st.integers(0, 300)), min_size=1, max_size=12)


@pytest.mark.slow
@given(made_of=_ENTRIES, missing=st.sampled_from([0, 0, 0, 1, -250]), page_size=st.integers(1, 5), fails=st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_entries_each_payout_is_explained_or_a_case(
    fake: FakeProvider,
    now: datetime,
    made_of: list[tuple[EntryKind, int, int]],
    missing: int,
    page_size: int,
    fails: bool,
) -> None:
    fake.page_size = page_size
    fake.payouts.clear()
    fake.balance.clear()
    paid_out = fake.pay_out([fake.entry(kind, amount, fee_minor=fee) for kind, amount, fee in made_of])
    if missing:
        paid_out = replace(paid_out, amount_minor=paid_out.amount_minor + missing)
        fake.payouts[paid_out.payout_id] = paid_out
    _mirror(now)
    if fails:
        fake.move_payout(paid_out, PayoutStatus.FAILED)
    _mirror(now)

    payout = Payout.objects.get(payout_id=paid_out.payout_id)
    ours = (EntryKind.PAYMENT, EntryKind.REFUND, EntryKind.DISPUTE)
    unknown = sum(amount - fee for kind, amount, fee in made_of if kind in ours)
    assert payout.remainder_minor == explain(payout).remainder_minor == missing + unknown
    cases = Case.objects.filter(kind="payout_remainder", subject_id=payout.pk, closed_at=None)
    strangers = any(kind in ours for kind, _, _ in made_of)  # a case even where they cancel each other out
    assert cases.count() == (1 if payout.remainder_minor or strangers else 0)
    posted = LedgerEntry.objects.filter(
        account="payouts", transaction__cause_id=payout.pk, transaction__cause_kind__startswith="payout"
    )
    assert sum(posted.values_list("amount_minor", flat=True)) == (0 if fails else paid_out.amount_minor)
    assert sum(LedgerEntry.objects.values_list("amount_minor", flat=True)) == 0


def _mirror(now: datetime) -> None:
    assert mirror("stripe", clock=lambda: now).complete
