"""The whole service as real processes on a PostgreSQL of its own, and the ways to hurt it.

Started once and used by many histories, each with an order of its own. What dies is started again: a worker by its own
parent (gunicorn, qcluster), a whole program by `tend()`.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import psycopg
from psycopg.rows import dict_row

from config import postgres
from config.postgres_place import SUPERUSER, passwords_of, place_of
from integrations import failpoints
from integrations.sandbox.control import SandboxControl
from integrations.sandbox.loopback import HOST, free_port, status_of
from tests.faults import times
from tests.faults.played import Played
from tests.processes import ROOT, Process, eventually

RECEIVER_SECRET = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLXRlc3Rz"  # pragma: allowlist secret
WEBHOOK_RETRIES_SECONDS = (0.3,) * 200
"""A provider sends an event again for days; here it does so for a minute."""
CLUSTERS = ("look", "deliver", "keep")
PROGRAMS = ("web", *CLUSTERS, "tick")
WORKERS_UP_SECONDS = 60
_HAVE_TIMEOUTS = ("STRIPE", "SQUARE")
"""The others are given what is left of a look's time."""


@dataclass
class World:
    """All processes, their database, and what they left behind. `directory`: everything it writes.

    `providers`: those that are offered, each by a sandbox of its own. `provider`: the one that the present history is
    about, the first to begin with. `presentation`: PAYMENTS_PRESENTATION.
    """

    directory: Path
    providers: tuple[str, ...] = ("stripe",)
    presentation: str = ""
    provider: str = ""
    played: dict[str, Played] = field(default_factory=dict)
    shop: str = ""
    receiver: str = ""
    staff_token: str = ""
    ended: list[str] = field(default_factory=list)
    events_before: int = 0
    """The newest event when the present history began: those of an earlier one, which may have failed, do not count."""
    expected: list[str] = field(default_factory=list)
    """Errors that the present test brings about on purpose: words of their last line."""
    _running: dict[str, Process] = field(default_factory=dict)
    _buried: set[int] = field(default_factory=set)

    # --- up and down -----------------------------------------------------------------------------------------

    def start(self) -> World:
        """Bring everything up: database, tables, stand-ins, shop, workers. Returns once all of it works."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._where = postgres.ensure_running(self.directory)
        self.shop, self.receiver, *sandboxes = (f"http://{HOST}:{free_port(0)}" for _ in range(2 + len(self.providers)))
        self.provider = self.providers[0]
        for provider, url in zip(self.providers, sandboxes, strict=True):
            self.played[provider] = Played(provider, url, self.shop, self.directory / "sandbox")
        for name in PROGRAMS:
            self.failpoints(name).mkdir(parents=True)
        prepared = subprocess.run(
            [sys.executable, "-m", "tests.faults.prepare", self.receiver, RECEIVER_SECRET],
            cwd=ROOT,
            env=self._environment("prepare"),
            check=True,
            timeout=120,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.staff_token = prepared.stdout.split()[-1]
        for name in (*(f"sandbox-{provider}" for provider in self.providers), "receiver", *PROGRAMS):
            self.run(name)
        eventually(lambda: status_of(f"{self.shop}/readyz") == 200, seconds=WORKERS_UP_SECONDS)
        self.await_workers()
        for played in self.played.values():
            played.control.set_webhook(retry_seconds=WEBHOOK_RETRIES_SECONDS)
        return self

    def stop(self) -> None:
        """End every process and delete the database."""
        for process in reversed(self._running.values()):
            process.kill()
        self._running.clear()
        postgres.release(self.directory)
        postgres.remove(self.directory)

    def run(self, name: str, program: str = "") -> Process:
        """Start a program, or start it again; `name` tells a second one of the same program apart."""
        process = Process(
            self._command(program or name), log=self.directory / f"{name}.log", env=self._environment(program or name)
        )
        self._running[name] = process
        return process

    def manage(self, *arguments: str, codes: Sequence[int] = (0,)) -> str:
        """Run `manage.py …` to its end; return what it said. Raises CalledProcessError where it failed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment("manage"),
            check=False,
            timeout=60,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode not in codes:
            raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout)
        return done.stdout

    def tend(self) -> None:
        """Start again each program that has ended, as a supervisor would."""
        for name, process in list(self._running.items()):
            if process.code is not None:
                self.ended.append(f"{name} ended with {process.code}")
                process.kill()  # and what is left of its children
                self.run(name)

    def kill_program(self, name: str) -> None:
        """SIGKILL to a program and all its children at once, as when its host loses power."""
        self._running.pop(name).kill()

    def signal_program(self, name: str, number: int) -> None:
        """Send a signal to a program and all its children."""
        os.killpg(self._running[name].pid, number)

    def pid_of(self, name: str) -> int:
        """Return the process id of a program's main process."""
        return self._running[name].pid

    def await_workers(self) -> None:
        """Wait until every cluster and tick have said that they work."""
        since = self.value("SELECT now()")
        query = "SELECT count(DISTINCT name) FROM integrations_heartbeat WHERE beaten_at >= %s"
        eventually(lambda: self.value(query, since) == len(CLUSTERS) + 1, seconds=WORKERS_UP_SECONDS)

    # --- failpoints ------------------------------------------------------------------------------------------

    def failpoints(self, program: str) -> Path:
        """Return the directory in which a program's failpoints are armed."""
        return self.directory / "failpoints" / program

    def arm(
        self,
        program: str,
        name: str,
        *,
        passes: int = 1,
        signal_number: int = signal.SIGKILL,
        whole: bool = False,
    ) -> None:
        """Let one process of `program`, or the whole of it, die or stop at the `passes`-th pass of a failpoint,
        once."""
        failpoints.arm(self.failpoints(program), name, passes=passes, signal_number=signal_number, whole_group=whole)

    def fired(self, program: str) -> dict[str, int]:
        """Return which failpoints of `program` have fired, with the process they hit."""
        return failpoints.fired(self.failpoints(program))

    def disarm(self) -> None:
        """Take back every failpoint."""
        self._buried.clear()
        for name in PROGRAMS:
            failpoints.disarm(self.failpoints(name))

    def bury(self) -> None:
        """End the leases of each process that a failpoint has killed since, as time would."""
        dead = {pid for name in PROGRAMS for pid in self.fired(name).values() if not Path(f"/proc/{pid}").exists()}
        if dead - self._buried:
            self._buried |= dead
            self.end_leases()

    def calm_down(self) -> None:
        """Take back all that makes things fail, and start again whatever has ended."""
        self.expected.clear()
        self.disarm()
        self.tend()
        for played in self.played.values():
            played.control.clear_faults()
            played.control.clear_webhook_rules()
        self.receiver_fails(mode="ok")
        self.enable_receivers()

    # --- the database ----------------------------------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the database, as its owner, outside everything that is tested."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *values: Any) -> Any:
        """Return the one value of the one row."""
        (row,) = self.rows(query, *values)
        (only,) = row.values()
        return only

    def kill_database(self) -> None:
        """End PostgreSQL as `pg_ctl stop -m immediate` does."""
        pid = postgres.postmaster_pid(self.directory)
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        eventually(lambda: postgres.postmaster_pid(self.directory) is None)

    def bring_database_back(self) -> None:
        """Start PostgreSQL again; returns once it takes connections."""
        postgres.ensure_running(self.directory)

    def cut_connections(self) -> None:
        """End every connection of the application."""
        with self.connect(superuser=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_app'")

    def connect(self, *, superuser: bool = False) -> psycopg.Connection[dict[str, Any]]:
        """Return a connection of the owner, or of one who sees all others; each statement is its own transaction."""
        keys = self._where.owner
        passwords = passwords_of(place_of(self.directory))
        return psycopg.connect(
            host=keys["HOST"],
            port=keys["PORT"],
            dbname=keys["NAME"],
            user=SUPERUSER if superuser else keys["USER"],
            password=passwords[SUPERUSER] if superuser else keys["PASSWORD"],
            autocommit=True,
            row_factory=dict_row,
        )

    def note_events(self) -> None:
        """Let a history begin: events up to now are not its own."""
        self.events_before = self.value("SELECT coalesce(max(id), 0) FROM payments_providerevent")

    def let_time_pass(self, order_id: int) -> None:
        """Make everything about an order due that waits for its time; leases stay as they are."""
        about = "attempt_id IN (SELECT id FROM payments_paymentattempt WHERE order_id = %s)"
        self.rows(
            f"UPDATE payments_providercall SET next_try_at = now() WHERE {about} AND next_try_at > now()", order_id
        )
        self.rows(
            "UPDATE payments_paymentattempt SET next_look_at = now() WHERE order_id = %s AND next_look_at > now()",
            order_id,
        )
        # Nobody sends one that rests. Long after its request, "not found" counts where the provider knows no keys.
        self.rows(
            "UPDATE payments_providercall SET first_sent_at = first_sent_at - %s, last_sent_at = last_sent_at - %s"
            f" WHERE {about} AND state = 'unknown' AND next_try_at IS NULL",
            *[times.A_PROVIDERS_LAG] * 2,
            order_id,
        )
        self.rows("UPDATE payments_providerevent SET next_try_at = now() WHERE next_try_at > now()")
        self.rows("UPDATE payments_payoutmirror SET next_at = now() WHERE next_at > now()")
        self.rows("UPDATE integrations_delivery SET not_before = now() WHERE state = 'queued' AND not_before > now()")

    def enable_receivers(self) -> None:
        """Enable each receiver that has disabled itself, as a person would."""
        self.rows("UPDATE integrations_destination SET active = true, disabled_at = NULL, disabled_reason = ''")

    def end_leases(self) -> None:
        """Let the time of every lease be over."""
        self.rows("UPDATE payments_providercall SET lease_until = now() WHERE lease_until > now()")
        self.rows("UPDATE payments_paymentattempt SET sweep_lease_until = now() WHERE sweep_lease_until > now()")
        self.rows("UPDATE payments_providerevent SET lease_until = now() WHERE lease_until > now()")
        self.rows("UPDATE payments_payoutmirror SET lease_until = now() WHERE lease_until > now()")
        self.rows("UPDATE payments_idempotencyrecord SET lease_until = now() WHERE lease_until > now()")
        self.rows("UPDATE integrations_delivery SET not_before = now() WHERE state = 'sending' AND not_before > now()")

    # --- the others ------------------------------------------------------------------------------------------

    @property
    def sandbox(self) -> str:
        """The address of the present provider's sandbox."""
        return self.played[self.provider].url

    @property
    def control(self) -> SandboxControl:
        """A client of the control API of the present provider's sandbox."""
        return self.played[self.provider].control

    def receiver_fails(self, **fault: Any) -> None:
        """Let the receiver fail; see integrations/sandbox/receiver_store.py, Fault."""
        with urlopen(Request(f"{self.receiver}/control", data=json.dumps(fault).encode()), timeout=10):
            pass

    def heard(self, number: int) -> list[dict[str, Any]]:
        """Return what the receiver keeps of an order: webhook-id, fact, how often it came."""
        connection = sqlite3.connect(self.directory / "receiver" / "receiver.sqlite3", timeout=10)
        try:
            connection.row_factory = sqlite3.Row
            found = connection.execute(
                "SELECT webhook_id, type, (SELECT count(*) FROM receipt WHERE receipt.webhook_id = message.webhook_id)"
                " AS receipts FROM message WHERE json_extract(body, '$.data.number') = ? ORDER BY rowid",
                (number,),
            )
            return [dict(row) for row in found]
        finally:
            connection.close()

    def said(self, name: str) -> str:
        """Return what a program has written to its log."""
        return (self.directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def logs(self) -> list[Path]:
        return sorted(self.directory.glob("*.log"))

    # --- what runs -------------------------------------------------------------------------------------------

    def _environment(self, program: str) -> dict[str, str]:
        ours = ("STRIPE_", "PAYPAL_", "SQUARE_", "NMI_", "FAILPOINT", "COV_")
        cluster = program if program in CLUSTERS else ""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
            "ENVIRONMENT": "test",
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "DATABASE_URL": _url(self._where.app),
            "DATABASE_OWNER_URL": _url(self._where.owner),
            "PUBLIC_BASE_URL": self.shop,
            "PAYMENTS_PROVIDERS": ",".join(self.providers),
            "PAYMENTS_PRESENTATION": self.presentation,
            **{name: value for played in self.played.values() for name, value in played.variables().items()},
            **{f"{name}_CONNECT_TIMEOUT_SECONDS": "1" for name in _HAVE_TIMEOUTS},
            **{f"{name}_READ_TIMEOUT_SECONDS": str(times.PROVIDER_SECONDS) for name in _HAVE_TIMEOUTS},
            "EMAIL_URL": "console:",
            "REFUND_LIMITS": "EUR:100000,USD:100000,GBP:100000",
            "PYTHONUNBUFFERED": "1",
            "FAILPOINT_DIR": str(self.failpoints(program)) if program in PROGRAMS else "",
            **({"Q_CLUSTER_NAME": cluster} if cluster else {}),
        }

    def _command(self, program: str) -> Sequence[str]:
        port = {"web": self.shop, "receiver": self.receiver}.get(program, "")
        number = port.rpartition(":")[2]
        if program == "web":
            bind = ("--bind", f"{HOST}:{number}", "--worker-class", "gthread", "--workers", "2", "--threads", "8")
            return (sys.executable, "-m", "gunicorn", "config.wsgi", *bind, "--no-control-socket")
        if program.startswith("sandbox-"):
            return self.played[program.removeprefix("sandbox-")].command()
        if program == "receiver":
            own = ("--state-dir", str(self.directory / "receiver"), "--secret", RECEIVER_SECRET)
            return (sys.executable, "-m", "integrations.sandbox.receiver", "--port", number, *own)
        return (sys.executable, "manage.py", "qcluster" if program in CLUSTERS else program)


def wait_until(true: Callable[[], Any], world: World, *, seconds: float = 20, every: float = 0.05) -> Any:
    """As eventually(), tending the world meanwhile."""

    def look() -> Any:
        world.tend()
        return true()

    return eventually(look, seconds=seconds, every=every)


def _url(keys: dict[str, str]) -> str:
    query = urlencode({"host": keys["HOST"], "port": keys["PORT"]})
    return f"postgresql://{quote(keys['USER'])}:{quote(keys['PASSWORD'])}@/{quote(keys['NAME'])}?{query}"
