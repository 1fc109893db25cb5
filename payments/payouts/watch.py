"""When payouts are mirrored: every quarter of an hour, and as soon as a webhook hints at one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db.models import Q, QuerySet

from integrations import providers, wakeups
from integrations.contract import ProviderError
from payments.clock import Clock
from payments.models import PayoutMirror
from payments.payouts import mirror as payout_mirror

log = structlog.get_logger(__name__)


def begin_mirrors(at: datetime) -> int:
    """Make the mirror of each enabled provider that tells its payouts and has none yet; return how many there are."""
    count = 0
    for name in providers.enabled():
        try:
            tells = providers.get(name).capabilities.payouts
        except (ProviderError, providers.UnknownProvider):  # `doctor` says what is wrong with it
            continue
        if tells:
            payout_mirror.begin(name, at=at)
            count += 1
    return count


def is_due(at: datetime) -> bool:
    """Say whether a provider's payouts should be mirrored now."""
    return _due(at).exists()


def mirror_due(*, clock: Clock, goes_on: Callable[[], bool]) -> int:
    """Mirror what is due for as long as `goes_on`; return how many providers were asked. One that fails leaves the
    others alone."""
    count = 0
    for name in _due(clock()).order_by("next_at").values_list("provider", flat=True):
        if not goes_on():
            break
        count += 1
        try:
            payout_mirror.mirror(name, clock=clock, goes_on=goes_on)
        except (payout_mirror.Busy, payout_mirror.Unoffered, providers.UnknownProvider) as why:
            log.info("payouts_left_alone", provider=name, why=str(why))
        except Exception:
            log.exception("payout_mirror_failed", provider=name)
    return count


def hint(provider: str, *, at: datetime) -> None:
    """A verified event spoke of a payout: mirror soon. May be lost or doubled; it changes only when we look."""
    if PayoutMirror.objects.filter(provider=provider, next_at__gt=at).update(next_at=at):
        wakeups.nudge("keep")


def _due(at: datetime) -> QuerySet[PayoutMirror]:
    free = Q(lease_until=None) | Q(lease_until__lte=at)
    return PayoutMirror.objects.filter(free, next_at__lte=at, provider__in=providers.enabled())
