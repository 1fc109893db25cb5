"""`manage.py tick`: the small process that nudges the workers when rows are due, each second."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from integrations import heartbeat, wakeups
from payments.management.key_refusal import refuse_forbidden_keys

ROUND_SECONDS = 1.0
BEAT_SECONDS = 5
"""How often it says that it works, and lets each cluster say so by giving it a task."""

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT. Two of them do no harm: a nudge is skipped while one waits."""

    help = "Nudge the workers each second while rows are due. Runs until SIGTERM or SIGINT; two of them do no harm."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *_: Any, once: bool, **__: Any) -> None:
        refuse_forbidden_keys()
        stop = threading.Event()

        def end(*_: object) -> None:
            stop.set()

        if not once:
            signal.signal(signal.SIGTERM, end)
            signal.signal(signal.SIGINT, end)
        rounds_a_beat = int(BEAT_SECONDS / ROUND_SECONDS)
        number = 0
        while not stop.is_set():
            started = time.monotonic()
            self._round(beat=number % rounds_a_beat == 0)
            if once:
                return
            number += 1
            stop.wait(max(0.0, ROUND_SECONDS - (time.monotonic() - started)))

    def _round(self, *, beat: bool) -> None:
        """Nudge what is due; a database that is away ends nothing, it is asked again in a second."""
        now = timezone.now()
        try:
            close_old_connections()
            if beat:
                heartbeat.beat("tick", now=now)
                heartbeat.forget_silent(now=now)
                for cluster in wakeups.CLUSTERS:
                    wakeups.nudge(cluster)
            else:
                wakeups.nudge_due(now=now)
        except (DatabaseError, InterfaceError):
            log.warning("tick_failed", exc_info=True)
