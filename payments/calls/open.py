"""Calls whose outcome is open: whether their key still counts, when "not found" does, and how a look ends them.

What moves money is never sent again once its key is forgotten (at once, where the provider knows no keys). It rests,
and a look tells: what it finds answers the call; what it does not find counts only once the provider's lag is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from integrations import providers
from payments.models import ProviderCall
from payments.models.call import Kind
from payments.states import CallState

UNFINISHED = (CallState.PREPARED, CallState.SENT, CallState.UNKNOWN)
_OUT = (CallState.SENT, CallState.UNKNOWN)

SECRETS = ("token", "proof")
"""What a request holds only for as long as it may be sent: who has it could pay by it."""


def key_is_forgotten(call: ProviderCall, *, at: datetime) -> bool:
    """Say whether a request under its key could do the thing twice by the time it arrives: a 24th of the key's lifetime
    before its end, since clocks differ and are set back.

    Where the provider knows no keys, an opening is asked again all the same: nobody was sent to what the first one
    opened, and left undone it would hold up the order, whose live attempt it belongs to.
    """
    lifetime = _key_lifetime(call)
    if call.kind == Kind.OPENS_PAGE and not lifetime:
        return False
    return call.first_sent_at is not None and at >= call.first_sent_at + lifetime - lifetime / 24


def is_sent_once(call: ProviderCall) -> bool:
    """Say whether it moves money at a provider that knows no idempotency keys."""
    return call.kind == Kind.MOVES_MONEY and not _key_lifetime(call)


def rest(call: ProviderCall) -> None:
    """Put a call of unknown outcome down for looks to end: nobody sends it again. Needs its row's lock."""
    call.state, call.lease_until, call.next_try_at = CallState.UNKNOWN, None, None
    call.request = without_secrets(call.request)
    call.save(update_fields=["state", "lease_until", "next_try_at", "request"])


def counts_at(call: ProviderCall) -> datetime | None:
    """Return from when on a look that finds nothing means that nothing was done; None while it may be sent again."""
    if call.state != CallState.UNKNOWN or call.first_sent_at is None:
        return None
    return max(call.first_sent_at + _key_lifetime(call), (call.last_sent_at or call.first_sent_at) + lag(call))


def lag(call: ProviderCall) -> timedelta:
    """Return for how long after a request a look may not find what it did: the provider's lag, and a look's own age."""
    seconds = providers.get(call.attempt.provider).capabilities.lookup_settles_after_seconds
    return timedelta(seconds=seconds + settings.LEASE_SECONDS)


def is_lost(call: ProviderCall, *, at: datetime) -> bool:
    """Say whether "not found" counts: its key is forgotten, and its last request older than the provider's lag.

    `at` is when the look was settled; its question may be a lease older.
    """
    moment = counts_at(call)
    return moment is not None and at >= moment


def answer_by_look(calls: QuerySet[ProviderCall], *, at: datetime, error_category: str = "", error: str = "") -> None:
    """End those of unknown outcome, of which a look has told what became: nobody sends them again.

    One that somebody is sending at this moment is left to its answer.
    """
    ended = Q(state=CallState.UNKNOWN) | Q(state=CallState.SENT, lease_until__lte=at)
    for call in calls.filter(ended).select_for_update(of=("self",)):
        call.state, call.answered_at, call.lease_until, call.next_try_at = CallState.ANSWERED, at, None, None
        call.error_category, call.error = error_category, error[:300]
        call.request = without_secrets(call.request)
        call.save()


def may_be_under_way(calls: QuerySet[ProviderCall]) -> bool:
    """Say whether one of them is out and unanswered."""
    return calls.filter(state__in=_OUT).exists()


def without_secrets(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as it is kept once nobody sends it any more."""
    return {**request, **{name: "" for name in SECRETS if name in request}}


def _key_lifetime(call: ProviderCall) -> timedelta:
    return timedelta(seconds=providers.get(call.attempt.provider).capabilities.key_lifetime_seconds)
