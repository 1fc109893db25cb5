"""Explains each payout to the cent: gross − fees − refunds − disputes ± adjustments = what went to the bank.

What its entries do not come to, and what of them no row of ours stands for, is the remainder: 0, or a Case. A manual
payout took an amount, and nobody can say of which entries: it is said to be unexplainable, never guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, Sum

from integrations.contract import EntryKind
from orders.money import Money
from payments.cases.opening import close_case, open_case
from payments.ledger import late_fees
from payments.models import BalanceEntry, Case, LedgerTransaction, Payout
from payments.models.case import CaseKind, Resolution
from payments.payouts import postings as payout_postings
from payments.payouts import sources as payout_sources
from payments.payouts.sources import Checked
from payments.retrying import made_again

ANEW_FOR = timedelta(days=90)
"""For so long a payout with a remainder is explained anew at each mirroring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLine:
    """All entries of one kind in a payout. Amounts in minor units of the payout's currency."""

    kind: EntryKind
    count: int
    amount_minor: int
    fee_minor: int

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.fee_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A payout line by line. `total_minor`: what its entries come to. `unexplained`: those we cannot stand for.

    `remainder_minor` is what the payout is more (or less) than what we can stand for; it must be 0.
    """

    payout: Payout
    lines: tuple[KindLine, ...]
    unexplained: tuple[Checked, ...]

    @property
    def total_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def fees_minor(self) -> int:
        """What the provider took, with the entries or as entries of their own; positive."""
        return sum(line.fee_minor for line in self.lines) - self.of(EntryKind.FEE)

    def of(self, *kinds: EntryKind) -> int:
        """Return the amounts of these kinds, before fees."""
        return sum(line.amount_minor for line in self.lines if line.kind in kinds)

    @property
    def is_whole(self) -> bool:
        """Whether each entry is known and all come to the amount: two unknown ones may cancel each other out."""
        return not self.remainder_minor and not self.unexplained

    @property
    def remainder_minor(self) -> int:
        explained = self.total_minor - sum(each.differs_minor for each in self.unexplained)
        return self.payout.amount_minor - explained


class NotExplainable(Exception):
    """This payout cannot be explained item by item, now or ever; the message says why."""


def check_explainable(payout: Payout) -> None:
    """Raise NotExplainable where there is nothing to explain it by."""
    if not payout.automatic:
        raise NotExplainable(
            f"This payout was made by hand: {payout.provider} took an amount from the balance and cannot say which"
            " entries it was made of. The balance as a whole must agree instead."
        )
    if payout.entries_read_at is None:
        raise NotExplainable(
            f"{payout.provider} has not told all of its entries yet; it does within a day or two."
            if not payout.entries_complete
            else "Its entries are being read."
        )


def explain(payout: Payout) -> Explanation:
    """Return the sum line by line, as our rows stand now. Raises NotExplainable."""
    check_explainable(payout)
    entries = BalanceEntry.objects.filter(line__payout=payout)
    sums = (
        entries.order_by("kind")
        .values("kind")
        .annotate(count=Count("pk"), amount=Sum("amount_minor"), fee=Sum("fee_minor"))
    )
    by_kind = {
        row["kind"]: KindLine(
            kind=EntryKind(row["kind"]), count=row["count"], amount_minor=int(row["amount"]), fee_minor=int(row["fee"])
        )
        for row in sums
    }
    lines = tuple(by_kind[kind] for kind in EntryKind if kind in by_kind)
    differing = tuple(each for each in payout_sources.checked(entries.order_by("pk").iterator()) if each.why)
    return Explanation(payout=payout, lines=lines, unexplained=differing)


def to_explain(provider: str, *, at: datetime) -> list[int]:
    """Return the payouts whose entries are all here and which are not explained to 0, oldest first.

    One that stays unexplained is a person's after ANEW_FOR: its case is open.
    """
    complete = Payout.objects.filter(provider=provider, automatic=True, entries_read_at__isnull=False)
    with_remainder = (~Q(remainder_minor=0) | Q(unexplained_entries__gt=0)) & Q(made_at__gte=at - ANEW_FOR)
    waiting = complete.filter(Q(remainder_minor=None) | with_remainder)
    return list(waiting.order_by("pk").values_list("pk", flat=True))


def settle_payout(payout_id: int, *, at: datetime) -> Explanation:
    """Learn what its entries tell, explain it, and open or close its Case. Opens its own transactions."""
    of_payout = BalanceEntry.objects.filter(line__payout_id=payout_id).order_by("pk")
    late_fees.learn(payout_sources.checked(of_payout.iterator()), at=at)
    return _explain_and_tell(payout_id, at=at)


@made_again
def _explain_and_tell(payout_id: int, *, at: datetime) -> Explanation:
    with transaction.atomic(durable=True):
        payout = Payout.objects.select_for_update(no_key=True).get(pk=payout_id)
        explanation = explain(payout)
        now_told = (explanation.remainder_minor, len(explanation.unexplained))
        told_before = (payout.remainder_minor, payout.unexplained_entries) == now_told
        payout.explained_at, (payout.remainder_minor, payout.unexplained_entries) = at, now_told
        payout.save(update_fields=["explained_at", "remainder_minor", "unexplained_entries"])
        if explanation.is_whole:
            _close(payout, at=at)
        elif not (told_before and _known(payout, at=at)):
            _tell(explanation, at=at)
    return explanation


def _cases(payout: Payout) -> Q:
    return Q(kind=CaseKind.PAYOUT_REMAINDER, subject_kind="payout", subject_id=payout.pk)


def _known(payout: Payout, *, at: datetime) -> bool:
    """Say whether a person has this case before them, or has accepted it: it is not told anew each quarter of an
    hour."""
    accepted = Q(resolution=Resolution.ACCEPTED) & (Q(accepted_until=None) | Q(accepted_until__gt=at))
    return Case.objects.filter(_cases(payout), Q(closed_at=None) | accepted).exists()


def _close(payout: Payout, *, at: datetime) -> None:
    for case in Case.objects.select_for_update(of=("self",)).filter(_cases(payout), closed_at=None):
        close_case(case, resolution=Resolution.MENDED, at=at)


def _tell(explanation: Explanation, *, at: datetime) -> None:
    payout = explanation.payout
    first = explanation.unexplained[0].why if explanation.unexplained else ""
    more = len(explanation.unexplained) - 1
    open_case(
        CaseKind.PAYOUT_REMAINDER,
        subject_kind="payout",
        subject_id=payout.pk,
        stake=Money(explanation.remainder_minor, payout.currency),
        ours=f"Of {payout} we can explain {Money(payout.amount_minor - explanation.remainder_minor, payout.currency)}."
        + (f" {first}" if first else "")
        + (f" And {more} more such {'entry' if more == 1 else 'entries'}." if more > 0 else ""),
        theirs=f"Its {sum(line.count for line in explanation.lines)} entries come to"
        f" {Money(explanation.total_minor, payout.currency)}.",
        suggested_fix="See the payout's page for the entries that differ; reconcile what is missing here, or ask the"
        " provider. It is explained anew every quarter of an hour, and closes itself once"
        " every entry is known and the remainder is 0.",
        at=at,
    )


def post_entries(entries: Iterable[BalanceEntry], *, at: datetime) -> None:
    """Post what no other row of ours stands for. Needs the transaction in which the entries are written."""
    for entry in entries:
        payout_postings.post_entry(entry, at=at)


def post_conversions(provider: str, *, at: datetime) -> int:
    """Post the conversion of each entry whose cause is known by now; return how many. Opens its own transactions."""
    kinds = list(payout_sources.FINDERS)
    converted = BalanceEntry.objects.filter(provider=provider, kind__in=kinds).exclude(exchange_rate="")
    posted = LedgerTransaction.objects.filter(cause_kind=payout_postings.EXCHANGE_TO).values("cause_id")
    waiting = converted.exclude(pk__in=posted).order_by("pk")
    count = 0
    for each in payout_sources.checked(waiting.iterator()):
        if each.source is not None and each.source.amount.currency != each.entry.currency:
            count += _post_conversion(each.entry, each.source.amount, at=at)
    return count


def _post_conversion(entry: BalanceEntry, source: Money, *, at: datetime) -> bool:
    try:
        with transaction.atomic(durable=True):
            payout_postings.post_conversion(entry, source, at=at)
    except IntegrityError:  # another worker was quicker: a cause is posted once
        return False
    return True
