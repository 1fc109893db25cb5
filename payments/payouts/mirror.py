"""Mirrors a provider's payouts and balance: page by page, each page one transaction, resumed where it was broken off.

What the provider lists is written down as it says it, once. payments/payouts/recording.py follows each payout's state,
payments/payouts/explanation.py explains it. No network inside a transaction: a page is asked for first, then written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from integrations import providers, redaction
from integrations.contract import BalanceEntry as ToldEntry
from integrations.contract import EntryKind, InvalidRequest, Page, PayoutSnapshot, Provider, ProviderError
from integrations.failpoints import failpoint
from payments.bank import matching as bank_matching
from payments.clock import Clock
from payments.models import BalanceEntry, Payout, PayoutLine, PayoutMirror
from payments.payouts import explanation as payout_explanation
from payments.payouts import hints as payout_hints
from payments.payouts import recording as payouts
from payments.retrying import made_again

EVERY = timedelta(minutes=15)
RETRY_AFTER = timedelta(minutes=5)
FIRST_LOOK_BACK = timedelta(days=60)
"""How far back the first mirroring reads."""
PAYOUTS_LOOK_BACK = timedelta(days=14)
"""Younger payouts are asked for each time: a paid one may still fail (Stripe: within five business days)."""
GIVEN_UP_AFTER = timedelta(days=90)
"""A payout without an end, or without all its entries, is asked about for so long; then it is a person's."""
OVERLAP = timedelta(hours=1)
"""The balance is read again so far back, since a list may lag behind what happened."""

_DESCRIBED = frozenset({EntryKind.FEE, EntryKind.ADJUSTMENT})
"""Of other kinds the provider's description is the order's, or a shopper's, and says nothing more."""

log = structlog.get_logger(__name__)


class Busy(Exception):
    """Another worker mirrors this provider at this moment. Try again when its lease has ended."""


@dataclass(slots=True, kw_only=True)
class Mirrored:
    """What one mirroring did. `explained`: payouts judged anew, `unexplained`: those of them with a remainder.

    `complete`: it came to the end; else the next one goes on. `error`: why it did not.
    """

    provider: str
    payouts: int = 0
    entries: int = 0
    explained: int = 0
    unexplained: int = 0
    complete: bool = False
    out_of_time: bool = False
    error: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """A mirror in this worker's hands."""

    provider: str
    account: str
    fence: int


class Unoffered(Exception):
    """This provider does not tell its payouts (Capabilities.payouts): there is nothing to mirror."""


class _OutOfTime(Exception):
    """The time for this mirroring is over; what is written stays."""


def mirror(
    provider: str, *, clock: Clock, since: datetime | None = None, goes_on: Callable[[], bool] = lambda: True
) -> Mirrored:
    """Bring in what the provider paid out, and its balance; explain what is complete. Opens its own transactions.

    `since`: read again from there. `goes_on` is asked before each page: when it says no, the next call resumes. A
    provider that cannot be asked ends it with `error`. Raises Busy, Unoffered, UnknownProvider.
    """
    done = Mirrored(provider=provider)
    held = None
    try:
        held = _claim(provider, at=clock(), since=since)
        adapter = providers.get(provider)
        if not adapter.capabilities.payouts:
            raise Unoffered(f"{provider} does not tell its payouts.")
        held = replace(held, account=adapter.account())
        _Mirroring(adapter, held, done, clock=clock, goes_on=goes_on).run(since)
        done.complete = True
    except ProviderError as error:
        done.error = error
        log.warning("payouts_not_mirrored", provider=provider, category=error.category)
    except _OutOfTime:
        done.out_of_time = True
    finally:
        if held is not None:
            _release(held, done, at=clock())
    return done


class _Mirroring:
    """One run over a provider's lists."""

    def __init__(
        self, adapter: Provider, held: _Held, done: Mirrored, *, clock: Clock, goes_on: Callable[[], bool]
    ) -> None:
        self._adapter, self._held, self._done, self._clock, self._goes_on = adapter, held, done, clock, goes_on

    def run(self, since: datetime | None) -> None:
        """Read the balance, where the provider lists it, then payouts, then what each is made of."""
        if self._adapter.capabilities.balance_entries:
            self._read_balance()
        self._read_payouts(since)
        for payout_id in _unread(self._held):
            self._read_entries(payout_id)
        payout_explanation.post_conversions(self._held.provider, at=self._clock())
        for payout_id in payout_explanation.to_explain(self._held.provider, at=self._clock()):
            self._still()
            self._explain(payout_id)
        bank_matching.match_open_lines(at=self._clock())

    def _read_balance(self) -> None:
        """Read the window that was begun, else a new one up to now."""
        since, until, cursor = _window(self._held, at=self._clock())
        while True:
            self._still()
            try:
                page = self._adapter.list_balance_entries(since=since, until=until, cursor=cursor)
            except InvalidRequest:  # its cursor may mean nothing any more: the window is read from its beginning
                PayoutMirror.objects.filter(_mine(self._held)).update(cursor="")
                raise
            cursor = page.cursor
            self._done.entries += _write_balance_page(self._held, page, until=until, at=self._clock())
            failpoint("payouts.between_pages")
            if not cursor:
                return

    def _read_payouts(self, since: datetime | None) -> None:
        cursor = ""
        since = min(filter(None, (since, _payouts_since(self._held, at=self._clock()))))
        while True:
            self._still()
            page = self._adapter.list_payouts(since=since, cursor=cursor)
            cursor = page.cursor
            self._take(page.items)
            if not cursor:
                break
        for payout_id in _unfinished_before(self._held, since):
            self._still()
            self._take([self._adapter.fetch_payout(payout_id)])

    def _take(self, told: Iterable[PayoutSnapshot]) -> None:
        for each in told:
            payouts.record_payout(each, provider=self._held.provider, account=self._held.account, at=self._clock())
            self._done.payouts += 1

    def _read_entries(self, payout_id: int) -> None:
        payout = Payout.objects.get(pk=payout_id)
        cursor = payout.entries_cursor
        while True:
            self._still()
            try:
                page = self._adapter.payout_entries(payout.payout_id, cursor=cursor)
            except InvalidRequest as refused:
                # The cursor means nothing any more, or it cannot tell this one's entries after all: the others go on.
                log.warning("payout_entries_refused", payout=payout.pk, code=refused.code)
                Payout.objects.filter(pk=payout_id).update(entries_cursor="")
                return
            cursor = page.cursor
            self._done.entries += _write_lines_page(self._held, payout_id, page, at=self._clock())
            failpoint("payouts.between_pages")
            if not cursor:
                return

    def _explain(self, payout_id: int) -> None:
        self._done.explained += 1
        try:
            explanation = payout_explanation.settle_payout(payout_id, at=self._clock())
        except Exception:  # one payout must not keep the others unexplained
            log.exception("payout_not_explained", payout=payout_id)
            self._done.unexplained += 1
        else:
            self._done.unexplained += not explanation.is_whole

    def _still(self) -> None:
        """Go on only while there is time, and while the mirror is ours. Raises _OutOfTime, Busy."""
        if not self._goes_on():
            raise _OutOfTime
        _keep(self._held, at=self._clock())


@made_again
def _claim(provider: str, *, at: datetime, since: datetime | None) -> _Held:
    with transaction.atomic(durable=True):
        begin(provider, at=at)
        row = PayoutMirror.objects.select_for_update().get(provider=provider)
        if row.lease_until is not None and row.lease_until > at:
            raise Busy(f"The payouts of {provider} are being mirrored by another worker.")
        row.fence += 1
        row.lease_until = at + timedelta(seconds=settings.LEASE_SECONDS)
        if since is not None and since < row.entries_until:
            row.entries_until, row.window_until, row.cursor = since, None, ""
        row.save()
    return _Held(provider, "", row.fence)


def begin(provider: str, *, at: datetime) -> None:
    """Make a provider's mirror, due at once, where there is none yet."""
    PayoutMirror.objects.bulk_create(
        [PayoutMirror(provider=provider, entries_until=at - FIRST_LOOK_BACK, next_at=at)], ignore_conflicts=True
    )


def _mine(held: _Held) -> Q:
    return Q(provider=held.provider, fence=held.fence)


def _keep(held: _Held, *, at: datetime) -> None:
    until = at + timedelta(seconds=settings.LEASE_SECONDS)
    if not PayoutMirror.objects.filter(_mine(held)).update(lease_until=until):
        raise Busy(f"Another worker has taken the mirroring of {held.provider} over.")


def _own(held: _Held) -> PayoutMirror:
    """Return the mirror, locked. Raises Busy where another worker has taken it over."""
    row = PayoutMirror.objects.select_for_update().filter(_mine(held)).first()
    if row is None:
        raise Busy(f"Another worker has taken the mirroring of {held.provider} over.")
    return row


def _release(held: _Held, done: Mirrored, *, at: datetime) -> None:
    """Note how it ended, and when it is due again: one that ran out of time at once, one that broke down later."""
    if done.error is not None:
        later = max(RETRY_AFTER, timedelta(seconds=done.error.retry_after_seconds or 0))
        changes = {"next_at": at + later, "error": f"{done.error.category}: {done.error.message}"[:300]}
        payouts.tell_of_refusal(held.provider, done.error, at=at)
    elif done.complete:
        changes = {"next_at": at + EVERY, "error": "", "done_at": at}
    else:
        changes = {"next_at": at if done.out_of_time else at + RETRY_AFTER, "error": ""}
    PayoutMirror.objects.filter(_mine(held)).update(lease_until=None, **changes)


@made_again
def _window(held: _Held, *, at: datetime) -> tuple[datetime, datetime, str]:
    """Return from when to when the balance is read, and where; a window once begun keeps its end."""
    with transaction.atomic(durable=True):
        row = _own(held)
        if row.window_until is None:
            row.window_until, row.cursor = at.replace(microsecond=0), ""
            row.save(update_fields=["window_until", "cursor"])
    return row.entries_until - OVERLAP, row.window_until, row.cursor


@made_again
def _write_balance_page(held: _Held, page: Page[ToldEntry], *, until: datetime, at: datetime) -> int:
    """Write one page of the balance and how far it is read, together."""
    with transaction.atomic(durable=True):
        row = _own(held)
        written = _write_entries(held, page.items, at=at)
        if page.cursor:
            row.cursor = page.cursor
        else:
            row.entries_until, row.window_until, row.cursor = max(row.entries_until, until), None, ""
        row.save(update_fields=["entries_until", "window_until", "cursor"])
        failpoint("payouts.before_commit")
    return written


@made_again
def _write_lines_page(held: _Held, payout_id: int, page: Page[ToldEntry], *, at: datetime) -> int:
    """Write one page of a payout's entries, which payout they are of, and how far it is read, together."""
    with transaction.atomic(durable=True):
        _own(held)
        payout = Payout.objects.select_for_update(no_key=True).get(pk=payout_id)
        written = _write_entries(held, page.items, at=at)
        ids = [told.entry_id for told in page.items]
        entries = BalanceEntry.objects.filter(provider=held.provider, account=held.account, entry_id__in=ids)
        lines = [PayoutLine(payout=payout, entry=entry) for entry in entries.order_by("pk")]
        PayoutLine.objects.bulk_create(lines, ignore_conflicts=True)
        payout.entries_cursor = page.cursor
        payout.entries_read_at = None if page.cursor else at
        payout.save(update_fields=["entries_cursor", "entries_read_at"])
        failpoint("payouts.before_commit")
    return written


def _write_entries(held: _Held, told: Iterable[ToldEntry], *, at: datetime) -> int:
    """Write the entries that are new, oldest first, and post what no other row of ours stands for; return how many."""
    listed = list(told)
    ids = [each.entry_id for each in listed]
    of_account = BalanceEntry.objects.filter(provider=held.provider, account=held.account)
    known = set(of_account.filter(entry_id__in=ids).values_list("entry_id", flat=True))
    new = [_row(held, each, at=at) for each in reversed(listed) if each.entry_id not in known]
    BalanceEntry.objects.bulk_create(new)
    payout_explanation.post_entries(new, at=at)
    payout_hints.look_at_sources(new, at=at)
    return len(new)


def _row(held: _Held, told: ToldEntry, *, at: datetime) -> BalanceEntry:
    return BalanceEntry(
        provider=held.provider,
        account=held.account,
        entry_id=told.entry_id,
        kind=told.kind.value,
        provider_type=told.provider_type[:60],
        source_id=told.source_id,
        amount_minor=told.amount_minor,
        fee_minor=told.fee_minor,
        net_minor=told.net_minor,
        currency=told.currency,
        exchange_rate=told.exchange_rate,
        description=redaction.one_line(told.description)[:200] if told.kind in _DESCRIBED else "",
        made_at=told.created_at,
        available_at=told.available_at,
        recorded_at=at,
    )


def _payouts_since(held: _Held, *, at: datetime) -> datetime:
    """Return from when payouts are asked for: two weeks back, or since the last time if that is longer ago."""
    done_at = PayoutMirror.objects.get(provider=held.provider).done_at
    if done_at is None:
        return at - FIRST_LOOK_BACK
    return min(at - PAYOUTS_LOOK_BACK, done_at - OVERLAP)


def _unfinished_before(held: _Held, since: datetime) -> list[str]:
    """Return older payouts whose end, or whose entries, the provider had not told when it was last asked."""
    open_end = Q(said__in=["pending", "in_transit"]) | Q(automatic=True, entries_complete=False)
    old = Payout.objects.filter(
        open_end, provider=held.provider, account=held.account, made_at__lt=since, made_at__gte=since - GIVEN_UP_AFTER
    )
    return list(old.exclude(state__in=["failed", "cancelled"]).order_by("pk").values_list("payout_id", flat=True))


def _unread(held: _Held) -> list[int]:
    unread = Payout.objects.filter(provider=held.provider, account=held.account, automatic=True, entries_read_at=None)
    return list(unread.filter(entries_complete=True).order_by("made_at", "pk").values_list("pk", flat=True))
