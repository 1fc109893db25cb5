"""Payouts as the provider tells them: written down once, their state followed, their money posted.

Called by the mirror (payments/payouts/mirror.py) only, outside any transaction.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.contract import ConfigurationError, PayoutSnapshot, PayoutStatus, ProviderError, WrongMode
from integrations.failpoints import failpoint
from orders.money import Money
from orders.transitions import move_or_record
from payments.cases.opening import open_case
from payments.models import Payout, PayoutMirror
from payments.models.case import CaseKind
from payments.payouts import postings as payout_postings
from payments.retrying import made_again
from payments.states import PayoutState

ACTOR = "worker:payouts"

_EVENT_FOR = {
    PayoutStatus.IN_TRANSIT: "sent",
    PayoutStatus.PAID: "paid",
    PayoutStatus.FAILED: "failed",
    PayoutStatus.CANCELLED: "cancelled",
}


@made_again
def record_payout(told: PayoutSnapshot, *, provider: str, account: str, at: datetime) -> Payout:
    """Write a payout that is new, follow the state of one that is known, and post what moved. One transaction."""
    with transaction.atomic(durable=True):
        Payout.objects.bulk_create([_row(told, provider, account, at)], ignore_conflicts=True)
        payout = Payout.objects.select_for_update(no_key=True).get(
            provider=provider, account=account, payout_id=told.payout_id
        )
        if _is_another(payout, told, at=at):
            return payout
        status, payout.said = payout.said, told.status.value
        payout.arrives_at, payout.entries_complete = told.arrives_at, payout.entries_complete or told.entries_complete
        payout.bank_reference = told.bank_reference or payout.bank_reference
        payout.failure_code = told.failure_code
        payout.save(update_fields=["said", "arrives_at", "entries_complete", "bank_reference", "failure_code"])
        if told.status.value not in (status, payout.state):
            _follow(payout, told.status, at=at)
        failpoint("payout.before_commit")
    return payout


def _row(told: PayoutSnapshot, provider: str, account: str, at: datetime) -> Payout:
    return Payout(
        provider=provider,
        account=account,
        payout_id=told.payout_id,
        amount_minor=told.amount_minor,
        currency=told.currency,
        automatic=told.automatic,
        made_at=told.created_at,
        recorded_at=at,
        said="",
        arrives_at=told.arrives_at,
    )


def _is_another(payout: Payout, told: PayoutSnapshot, *, at: datetime) -> bool:
    """Tell a person where the provider now says another amount: what was paid out is never changed."""
    theirs = Money(told.amount_minor, told.currency)
    if theirs == payout.amount:
        return False
    open_case(
        CaseKind.AMOUNT_MISMATCH if theirs.currency == payout.currency else CaseKind.CURRENCY_MISMATCH,
        subject_kind="payout",
        subject_id=payout.pk,
        stake=payout.amount,
        ours=f"{payout.provider} told us of {payout}.",
        theirs=f"It now says {theirs}.",
        suggested_fix="Ask the provider which of the two the bank received. Nothing was moved.",
        at=at,
    )
    return True


def _follow(payout: Payout, status: PayoutStatus, *, at: datetime) -> None:
    """Move after the provider; what our edges do not allow is a forbidden row and a case."""
    was = payout.state
    event = _EVENT_FOR.get(status)
    row = move_or_record(payout, event, actor=ACTOR, cause=f"told:{status}", at=at) if event else None
    if row is None or row.forbidden:
        _contradicted(payout, status, at=at)
    elif payout.state == PayoutState.PAID:
        payout_postings.post_payout(payout, at=at)
    elif was == PayoutState.PAID:
        payout_postings.reverse_payout(payout, at=at)


def _contradicted(payout: Payout, status: PayoutStatus, *, at: datetime) -> None:
    open_case(
        CaseKind.FORBIDDEN_TRANSITION,
        subject_kind="payout",
        subject_id=payout.pk,
        stake=payout.amount,
        ours=f"The payout is {payout.state}.",
        theirs=f"{payout.provider} says {status}.",
        suggested_fix="Compare the payout at the provider and at the bank; nothing rolls back by itself.",
        at=at,
    )


def tell_of_refusal(provider: str, error: ProviderError, *, at: datetime) -> None:
    """Open a case where payouts cannot be read for a reason that time alone will not mend. Its own transaction."""
    if isinstance(error, WrongMode):
        kind, theirs = CaseKind.WRONG_MODE, f"A payout is in {error.answer.mode} mode."
        fix = "Find out which key was in use; never mix test and live. Nothing was written down."
    elif isinstance(error, ConfigurationError):
        kind, theirs = CaseKind.PROVIDER_CONFIGURATION, f"It refuses our key: {error.message}"[:500]
        fix = "Let the key read payouts and the balance; the mirror goes on by itself."
    else:
        return
    with transaction.atomic(durable=True):
        row = PayoutMirror.objects.get(provider=provider)
        open_case(
            kind,
            subject_kind="payout_mirror",
            subject_id=row.pk,
            ours=f"We asked {provider} for its payouts.",
            theirs=theirs,
            suggested_fix=fix,
            at=at,
        )
