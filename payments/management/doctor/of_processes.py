"""D020–D029: what runs beside the web server: workers, queue, mail, disk, reconciliation."""

from __future__ import annotations

import shutil
from datetime import timedelta

from django.conf import settings

from integrations import probes
from payments.management.doctor.examination import Place, Skipped, examination
from payments.monitoring import figures as health_figures
from payments.reconciliation import lists, runs

DISK_LEAST_PERCENT = 10
DISK_LEAST_BYTES = 2 * 1024**3
RECONCILED_WITHIN = timedelta(hours=36)


@examination(
    "D020",
    holds="`tick` and the workers of look, deliver and keep have worked within ALERT_HEARTBEAT_SECONDS",
    remedy="Start the process that is silent (docs/runbooks/worker-silent.md); nothing is lost meanwhile.",
)
def workers_beat(place: Place) -> list[str]:
    seconds = settings.ALERT_HEARTBEAT_SECONDS
    found = []
    for beat in health_figures.heartbeats():
        if beat.last is None:
            found.append(f"{beat.name} has never worked.")
        elif place.at - beat.last > timedelta(seconds=seconds):
            found.append(f"{beat.name} worked last {int((place.at - beat.last).total_seconds())} s ago.")
    return found


@examination(
    "D021",
    holds="the queue of each cluster answers",
    remedy="See REDIS_URL and the Redis server; without it the queue is in PostgreSQL (D010).",
)
def brokers_answer(_: Place) -> list[str]:
    return [f"The queue of {cluster} does not answer." for cluster in probes.silent_brokers()]


@examination(
    "D022",
    holds="the mail server takes our sign-in",
    remedy="See EMAIL_URL and whether this host may connect there. Mails wait as deliveries meanwhile.",
)
def mail_server(_: Place) -> list[str]:
    if not probes.mail_leaves():
        raise Skipped("Mail does not leave this machine here (EMAIL_URL).")
    try:
        probes.greet_mail_server()
    except probes.ProbeFailed as failure:
        return [str(failure)]
    return []


@examination(
    "D023",
    holds="a tenth of the disk, and 2 GiB, are free where this code stands",
    remedy="Make room; the embedded database and var/ stand there. A full disk stops PostgreSQL.",
)
def disk(_: Place) -> list[str]:
    usage = shutil.disk_usage(settings.BASE_DIR)
    percent = usage.free * 100 // usage.total
    if percent >= DISK_LEAST_PERCENT and usage.free >= DISK_LEAST_BYTES:
        return []
    return [f"{usage.free // 1024**2} MiB are free ({percent} %)."]


@examination(
    "D024",
    holds="what the providers list was reconciled within a day and a half",
    remedy="Run `manage.py reconcile --since 48h`, and see whether `keep` works and RECONCILE_SCHEDULED is on.",
)
def reconciled(place: Place) -> list[str]:
    names = lists.listing_providers()
    if not names:
        raise Skipped("No provider that lists its payments is offered here.")
    found = []
    for name in names:
        last = runs.last_finished(name)
        if last is None or last.finished_at is None:
            found.append(f"{name}: it was never done.")
        elif place.at - last.finished_at > RECONCILED_WITHIN:
            found.append(f"{name}: it was done last at {last.finished_at:%Y-%m-%d %H:%M} UTC.")
    return found
