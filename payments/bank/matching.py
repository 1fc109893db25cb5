"""Which payout a bank line is: by a rule where exactly one fits, else by a person's act. A person may undo either.

A line is the arrival of a payout of the same amount and currency that names it, or that was to arrive about that day;
or the bank's taking back of one that failed. Several fit, or none, or a person has undone a match of it: it stays for
a person.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from payments.models import BankLine, BankMatch, BankMatchUndoing, Payout
from payments.payouts import postings as payout_postings
from payments.states import PayoutState

EARLY = timedelta(days=3)
LATE = timedelta(days=5)
"""So much earlier or later than the provider said may the bank book it."""
RETURNS_WITHIN = timedelta(days=60)
TRIED_FOR = timedelta(days=90)
"""The rule looks at a line for so long; then it is a person's."""


class NoMatch(ValueError):
    """This line cannot be that payout; the message says why."""


def unmatched() -> QuerySet[BankLine]:
    """Return the lines of which nothing stands that says what they are."""
    return BankLine.objects.exclude(Exists(BankMatch.objects.standing().filter(line=OuterRef("pk"))))


def match_open_lines(*, at: datetime) -> int:
    """Match what the rule decides; return how many lines. Opens its own transactions."""
    count = 0
    for line in _worth_trying(at).order_by("pk"):
        found = candidates(line)
        if len(found) == 1 and _is_only_line_for(line, found[0]):
            count += _match_by_rule(line, found[0], at=at)
    return count


def candidates(line: BankLine) -> list[Payout]:
    """Return the payouts this line may be: those it names, else those that were to arrive about that day."""
    fitting = list(_arrivals(line)) or list(_returns(line))
    named = [payout for payout in fitting if _names(line, payout)]
    return named or [payout for payout in fitting if _is_about(line, payout)]


def check(line: BankLine, payout: Payout) -> bool:
    """Return whether the line is the payout's return (else its arrival). Raises NoMatch where it is neither."""
    standing = BankMatch.objects.standing()
    if standing.filter(line=line, payout__isnull=False).exists():
        raise NoMatch("This bank line is matched already.")
    if line.currency != payout.currency:
        raise NoMatch(f"The bank line is in {line.currency}, the payout in {payout.currency}.")
    is_return = line.amount_minor == -payout.amount_minor and payout.state == PayoutState.FAILED
    if line.amount_minor != payout.amount_minor and not is_return:
        raise NoMatch(f"The bank line is {line.amount}, the payout {payout.amount}: ask the bank for the difference.")
    if payout.state in (PayoutState.PENDING, PayoutState.CANCELLED):
        raise NoMatch(f"Payout {payout.payout_id} never left: it is {payout.state}.")
    if standing.filter(payout=payout, is_return=is_return).exists():
        raise NoMatch(f"Another bank line is payout {payout.payout_id} already.")
    return is_return


def write(line: BankLine, payout: Payout | None, *, at: datetime, user: Any = None, note: str = "") -> BankMatch:
    """Say what a line is and post it; no payout: it is of none. Needs the caller's transaction. Raises NoMatch."""
    if payout is None and BankMatch.objects.standing().filter(line=line).exists():
        raise NoMatch("This bank line is matched already.")
    is_return = check(line, payout) if payout is not None else False
    undone = BankMatch.objects.exclude(undoing=None)
    match = BankMatch.objects.create(
        line=line,
        payout=payout,
        is_return=is_return,
        matched_by=user,
        note=note[:1000],
        at=at,
        line_turn=undone.filter(line=line, payout__isnull=payout is None).count(),
        payout_turn=undone.filter(payout=payout, is_return=is_return).count() if payout is not None else 0,
    )
    payout_postings.post_bank_line(line, match, at=at)
    return match


def undo(match: BankMatch, *, at: datetime, user: Any, note: str) -> None:
    """Take back what was said of a line and reverse its posting: line and payout are free again, the rule leaves the
    line to people. Needs the caller's transaction. Raises IntegrityError where it was undone before.
    """
    BankMatchUndoing.objects.create(match=match, undone_by=user, note=note[:1000], at=at)
    payout_postings.undo_bank_line(match.line, match, at=at)


def _worth_trying(at: datetime) -> QuerySet[BankLine]:
    """Return the young open lines of whose amount there is a payout: most lines of a statement have none."""
    same_amount = Q(amount_minor=OuterRef("amount_minor")) | Q(amount_minor=-1 * OuterRef("amount_minor"))
    of_payout = Payout.objects.filter(same_amount, currency=OuterRef("currency"))
    left_to_people = Exists(BankMatchUndoing.objects.filter(match__line=OuterRef("pk")))
    return unmatched().filter(Exists(of_payout), ~left_to_people, booked_on__gte=(at - TRIED_FOR).date())


def _match_by_rule(line: BankLine, payout: Payout, *, at: datetime) -> bool:
    try:
        with transaction.atomic(durable=True):
            locked = Payout.objects.select_for_update(no_key=True).get(pk=payout.pk)
            write(line, locked, at=at)
    except (NoMatch, IntegrityError):  # somebody was quicker
        return False
    return True


def _arrivals(line: BankLine) -> QuerySet[Payout]:
    same = Payout.objects.filter(amount_minor=line.amount_minor, currency=line.currency)
    arriving = same.filter(state__in=[PayoutState.IN_TRANSIT, PayoutState.PAID])
    return arriving.exclude(seen_at_the_bank(is_return=False)).order_by("pk")


def _returns(line: BankLine) -> QuerySet[Payout]:
    same = Payout.objects.filter(amount_minor=-line.amount_minor, currency=line.currency, state=PayoutState.FAILED)
    return same.filter(seen_at_the_bank(is_return=False)).exclude(seen_at_the_bank(is_return=True)).order_by("pk")


def seen_at_the_bank(*, is_return: bool) -> Exists:
    """Return the condition that a payout's arrival (or its return) is matched with a bank line."""
    return Exists(BankMatch.objects.standing().filter(payout=OuterRef("pk"), is_return=is_return))


def _names(line: BankLine, payout: Payout) -> bool:
    text = f"{line.reference} {line.counterparty}"
    return payout.payout_id in text or bool(payout.bank_reference and payout.bank_reference in text)


def _is_about(line: BankLine, payout: Payout) -> bool:
    booked = datetime.combine(line.booked_on, time(), tzinfo=UTC)
    late = RETURNS_WITHIN if payout.state == PayoutState.FAILED else LATE
    return payout.arrives_at - EARLY <= booked + timedelta(days=1) and booked <= payout.arrives_at + late


def _is_only_line_for(line: BankLine, payout: Payout) -> bool:
    """Say whether no other open line fits this payout as well: two transfers of one amount are told apart by people,
    unless one of them names it."""
    if _names(line, payout):
        return True
    alike = unmatched().filter(amount_minor=line.amount_minor, currency=line.currency).exclude(pk=line.pk)
    return not any(_names(other, payout) or _is_about(other, payout) for other in alike)
