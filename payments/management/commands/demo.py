"""`manage.py demo`: the whole service on this machine, with stand-ins for the provider and a receiver."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from payments.management.demo import once, tour
from payments.management.demo.mails import MailWatch
from payments.management.demo.place import DemoRuns, Place
from payments.management.demo.run import Demo, DemoFailed, bring_up
from payments.management.demo.stand_ins import STAND_INS
from payments.management.reporting import Exit, ReportingCommand, refused

ENVIRONMENTS = ("demo", "test")
WATCH_SECONDS = 0.25


class Command(ReportingCommand):
    """Exit codes: 0 stopped, or with --once all of it happened; 1 a process did not start; 3 it did not happen in time;
    4 a page or the provider failed; 5 refused: not a demo, or one runs already."""

    help = (
        "Run the whole service on this machine: shop, admin, workers, a sandbox in place of the provider, a receiver. "
        "Ctrl-C stops every process; data stay. With --once: send one order through it and report."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="one order from basket to delivered fact, in the running demo or in one started for it; prints JSON",
        )
        parser.add_argument("--provider", choices=sorted(STAND_INS), default="stripe", help="who is paid; with --once")

    def handle(self, *_: Any, once: bool, provider: str, **__: Any) -> None:
        if settings.ENVIRONMENT not in ENVIRONMENTS:
            raise refused(
                f"ENVIRONMENT is {settings.ENVIRONMENT}: the demo starts sandbox providers and a receiver, "
                "and runs with ENVIRONMENT=demo only."
            )
        self._signals = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        place = Place(settings.BASE_DIR)
        try:
            if once:
                self._once(place, provider)
            else:
                self._run(place)
        except DemoRuns as error:
            raise refused(str(error)) from None
        except DemoFailed as error:
            raise CommandError(str(error), returncode=Exit.CRASH) from None

    def _run(self, place: Place) -> None:
        started = time.monotonic()
        demo = self._bring_up(place, say=self.stdout.write)
        if demo is None:
            return
        try:
            self.stdout.write(tour.text(demo.addresses, demo.known, demo.place, seconds=time.monotonic() - started))
            self._watch(demo)
        finally:
            self.stdout.write("Stopping. Data stay in var/.")
            killed = demo.take_down(hurry=lambda: self._signals > 1)
            self.stdout.write(f"Stopped; {', '.join(killed)} had to be killed." if killed else "Stopped.")

    def _watch(self, demo: Demo) -> None:
        mails = MailWatch(demo.supervisor.log_of("deliver"))
        while not self._signals:
            demo.supervisor.watch(notice=self.stdout.write)
            for address, subject in mails.news():
                self.stdout.write(f"mail to {address}: {subject}")
            time.sleep(WATCH_SECONDS)

    def _once(self, place: Place, provider: str) -> None:
        started = time.monotonic()
        addresses, demo = once.running(place), None
        if addresses is None:
            demo = self._bring_up(place, say=self.progress)
            if demo is None:
                raise CommandError("Stopped before the demo was ready.", returncode=Exit.PARTIAL)
            addresses = demo.addresses
        try:
            report = once.go(addresses, provider=provider, say=self.progress, stop_asked=lambda: bool(self._signals))
        finally:
            if demo is not None:
                self.progress("Stopping the processes")
                demo.take_down(hurry=lambda: self._signals > 1)
        whole = {**report.told, "started_processes": demo is not None, "seconds": round(time.monotonic() - started, 1)}
        self.finish(whole, lines=[], as_json=True, code=report.code)

    def _bring_up(self, place: Place, *, say: Any) -> Demo | None:
        return bring_up(
            place,
            environment=settings.ENVIRONMENT,
            clock=timezone.now,
            say=say,
            stop_asked=lambda: bool(self._signals),
        )

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1


if sys.platform == "win32":
    raise ImportError("The demo needs a Unix: Linux, macOS, or WSL on Windows.")
