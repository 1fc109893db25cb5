"""nudge(): wakes the workers of a named cluster through django-q2.

Any nudge may be lost or doubled, for our rows are the truth. A nudge that fails is only logged: `manage.py tick` nudges
due work again within a second.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial

import structlog
from django.conf import settings
from django.db import connections, transaction
from django.utils.module_loading import import_string
from django_q.brokers import Broker, get_broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task

from integrations.failpoints import failpoint

log = structlog.get_logger(__name__)

# A worker that takes one sets `lock` to when it may be taken again. Not now(): that stands still in a transaction.
_ONE_WAITS = f"EXISTS (SELECT 1 FROM {OrmQ._meta.db_table} WHERE key = %s AND lock <= statement_timestamp())"  # nosec B608

CLUSTERS = ("look", "deliver", "keep")


def nudge(cluster: str, *, one_waits: bool | None = None) -> None:
    """Wake `cluster` (`look`, `deliver` or `keep`) once the current transaction has committed; at once outside any.

    Nothing is queued while a nudge waits that no worker has taken: that one will see our rows as well. A nudge already
    taken does not count, for its worker may have looked before our commit. `one_waits`: whether one does, where the
    caller has asked already (`one_waits()`). Raises ValueError on an unknown cluster.
    """
    if cluster not in CLUSTERS:
        raise ValueError(f"No cluster {cluster!r}; there are {', '.join(CLUSTERS)}.")
    transaction.on_commit(partial(_nudge_now, cluster, one_waits), robust=True)


def one_waits(cluster: str) -> tuple[str, list[str]]:
    """Return an SQL condition and its parameters: whether a nudge of `cluster` waits that no worker has taken.

    For the one statement of a webhook, which need not ask apart. A worker may take that nudge, and look, between the
    condition and the commit; then `tick` wakes the cluster within a second. False where the queue is not in PostgreSQL.
    """
    broker = _broker(cluster)
    return (_ONE_WAITS, [broker.list_key]) if isinstance(broker, ORM) else ("FALSE", [])


def nudge_due(*, now: datetime) -> list[str]:
    """Nudge each cluster that has rows due at `now`, by the function settings.WAKEUP_DUE names; return their names.

    A cluster whose function fails is logged and passed over, so that it cannot keep the others asleep.
    """
    nudged = []
    for cluster in CLUSTERS:
        try:
            due = import_string(settings.WAKEUP_DUE[cluster])(now)
        except Exception:
            log.exception("due_failed", cluster=cluster)
            continue
        if due:
            nudge(cluster)
            nudged.append(cluster)
    return nudged


def broker_answers(cluster: str) -> bool:
    """Say whether the queue of `cluster` can be reached now."""
    try:
        _broker(cluster).queue_size()  # ping() of the broker in PostgreSQL asks nobody
    except Exception:  # whatever a broker's client raises, it does not answer
        log.warning("broker_silent", cluster=cluster, exc_info=True)
        return False
    return True


def _nudge_now(cluster: str, one_waits: bool | None) -> None:
    failpoint("nudge.before_queue")
    try:
        broker = _broker(cluster)
        if not (_is_waited_for(broker) if one_waits is None else one_waits):
            async_task(settings.WAKEUP_TASKS[cluster], broker=broker, cluster=cluster)
    except Exception:
        log.warning("nudge_failed", cluster=cluster, exc_info=True)


def _is_waited_for(broker: Broker) -> bool:
    """Say whether a nudge waits that no worker has taken. One small query where the queue is in PostgreSQL; the
    broker's own count makes two."""
    if not isinstance(broker, ORM):
        return bool(broker.queue_size())
    with connections[Conf.ORM].cursor() as cursor:
        cursor.execute(f"SELECT {_ONE_WAITS}", [broker.list_key])
        [waits] = cursor.fetchone()
        return bool(waits)


@cache
def _broker(cluster: str) -> Broker:
    return get_broker(cluster)
