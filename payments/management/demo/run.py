"""Brings the demo up and takes it down: locks, database, programs, readiness, first data."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from integrations import heartbeat
from integrations.sandbox.loopback import status_of
from integrations.sandbox.shopper import Surprise
from payments.clock import Clock
from payments.management.demo import parts, seed
from payments.management.demo.parts import Secrets
from payments.management.demo.place import Addresses, Place
from payments.management.demo.ports import Ports
from payments.management.demo.processes import Program, Supervisor

READY_TIMEOUT_SECONDS = 60
FORMER_RUN_SECONDS = 40
"""A worker of a run that was killed finishes its task first, which takes 30 s at most."""

Say = Callable[[str], None]


class DemoFailed(Exception):
    """The demo did not come up; the message says which part, and shows the end of its log."""


class Demo:
    """The demo's processes. Make it with `bring_up()`; `take_down()` stops them, data stay."""

    def __init__(self, place: Place, supervisor: Supervisor, addresses: Addresses, known: Secrets) -> None:
        self.place, self.supervisor, self.addresses, self.known = place, supervisor, addresses, known
        self._held = ExitStack()

    def hold(self, descriptor: int) -> None:
        """Keep a lock until the demo is down."""
        self._held.callback(os.close, descriptor)

    def take_down(self, *, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop every process; return the names of those that had to be killed. Repeating it does nothing."""
        killed = self.supervisor.stop(hurry=hurry)
        self.place.say_stopped()
        self._held.close()
        return killed


def bring_up(place: Place, *, environment: str, clock: Clock, say: Say, stop_asked: Callable[[], bool]) -> Demo | None:
    """Start everything and wait until it works; None when it was asked to stop meanwhile.

    `environment`: ENVIRONMENT of the processes. Raises DemoRuns, DemoFailed; then nothing of it runs.
    """
    place.make()
    lock = place.take()
    if lock is None:
        raise place.refusal()
    with ExitStack() as undo:
        undo.callback(os.close, lock)
        inherited = _wait_for_former_run(place, say=say, stop_asked=stop_asked)
        if inherited is None:
            return None
        undo.callback(os.close, inherited)
        ports = Ports()
        known, addresses = parts.secrets_of(place), parts.choose_addresses(ports)
        supervisor = Supervisor(directory=place.base_dir, logs=place.logs, inherited=(inherited,))
        demo = Demo(place, supervisor, addresses, known)
        undo.pop_all()
        demo.hold(lock)
        demo.hold(inherited)
        for claim in ports.claims:
            demo.hold(claim)
    try:
        if _come_up(demo, environment=environment, clock=clock, say=say, stop_asked=stop_asked):
            return demo
    except BaseException:
        demo.take_down()
        raise
    demo.take_down()
    return None


def _come_up(demo: Demo, *, environment: str, clock: Clock, say: Say, stop_asked: Callable[[], bool]) -> bool:
    place, addresses = demo.place, demo.addresses
    place.keep_environment(parts.shared_environment(place, addresses, demo.known, environment=environment))
    place.say_running(addresses, pid=os.getpid(), ready=False)
    began = clock()
    programs = parts.programs(place, addresses, demo.known, environment=environment)
    if migrations := _pending_migrations():
        # Those that ask the database come after its tables.
        say(f"Making the database's tables ({migrations} migrations)")
        _start(demo, [program for program in programs if parts.is_stand_in(program)])
        call_command("migrate", verbosity=0, interactive=False)
        _start(demo, [program for program in programs if not parts.is_stand_in(program)])
    else:
        _start(demo, programs)
    say("Starting shop, workers, sandboxes and receiver")
    seed.rows(addresses, demo.known, now=clock())
    if not _wait_until(demo, lambda: _servers_answer(addresses), what="servers", stop_asked=stop_asked):
        return False
    if seed.is_empty():
        say("Placing a few orders, as shoppers would")
        try:
            seed.orders(addresses, now=clock())
        except Surprise as surprise:
            raise DemoFailed(f"The first orders could not be placed: {surprise}\nThe logs: {place.logs}") from surprise
    if not _wait_until(demo, lambda: _workers_work(since=began), what="workers", stop_asked=stop_asked):
        return False
    connections.close_all()  # from here on nothing is asked of the database
    place.say_running(addresses, pid=os.getpid(), ready=True)
    return True


def _wait_for_former_run(place: Place, *, say: Say, stop_asked: Callable[[], bool]) -> int | None:
    """Return the lock that the processes inherit, once those of a run that was killed have ended; None if stopped."""
    deadline = time.monotonic() + FORMER_RUN_SECONDS
    told = False
    while (descriptor := place.take_for_children()) is None:
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"Processes of an earlier run have not ended. Find them with: ps -ef | grep {place.base_dir}"
            )
        if stop_asked():
            return None
        if not told:
            say("Waiting for the processes of an earlier run to end")
            told = True
        time.sleep(0.1)
    return descriptor


def _pending_migrations() -> int:
    executor = MigrationExecutor(connections["owner"])
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _start(demo: Demo, programs: list[Program]) -> None:
    for program in programs:
        demo.supervisor.start(program)


def _wait_until(demo: Demo, ready: Callable[[], bool], *, what: str, stop_asked: Callable[[], bool]) -> bool:
    """Wait until `ready()`; False when asked to stop. Raises DemoFailed when a program ends, or time is up."""
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not ready():
        if stop_asked():
            return False
        if ended := demo.supervisor.ended():
            name = ended[0].name
            raise DemoFailed(f"{name} ended at its start ({ended[0].how}):\n{demo.supervisor.tail(name)}")
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"The {what} were not ready within {READY_TIMEOUT_SECONDS} s. Their logs: {demo.place.logs}"
            )
        time.sleep(0.1)
    return True


def _servers_answer(addresses: Addresses) -> bool:
    return (
        status_of(f"{addresses.shop}/readyz") == 200
        and all(status_of(f"{sandbox}/") is not None for sandbox in addresses.sandboxes.values())
        and status_of(f"{addresses.receiver}/") == 200
    )


def _workers_work(*, since: datetime) -> bool:
    beats = [heartbeat.last_beat(name) for name in parts.WORKING]
    return all(beat is not None and beat >= since for beat in beats)
