"""The launcher of the embedded PostgreSQL, driven by real processes: who may start it, share it, kill it, leave it."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import postgres
from config.postgres_place import place_of

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
MYSELF = pwd.getpwuid(os.geteuid()).pw_name
AS_ROOT = os.geteuid() == 0


class User:
    """A process that uses the server; `leave()` lets it end in order, `kill()` does not."""

    def __init__(self, base_dir: Path, account: str, manner: str = "plain") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.config.postgres_user", str(base_dir), account, manner],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._report: dict[str, Any] | None = None

    @property
    def report(self) -> dict[str, Any]:
        if self._report is None:
            assert self.process.stdout
            self._report = json.loads(self.process.stdout.readline())
        return self._report

    def leave(self) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        assert self.report
        self.process.kill()
        self.leave()


class Checkout:
    """An empty directory that plays a checkout, and the processes that use its server."""

    def __init__(self, base_dir: Path, account: str) -> None:
        self.base_dir, self.account = base_dir, account
        self.users: list[User] = []
        self.sockets: set[str] = set()

    def user(self, manner: str = "plain") -> User:
        self.users.append(User(self.base_dir, self.account, manner))
        return self.users[-1]

    def everybody_leaves(self) -> None:
        for user in self.users:
            if user.process.poll() is None:
                user.leave()
        self.users = []
        last = self.user()  # whatever the test left running stops with its last user
        assert "pid" in last.report
        self.sockets.add(last.report["app"]["HOST"])
        last.leave()


@pytest.fixture(scope="module", params=["myself", "ordinary"])
def initialised(request: pytest.FixtureRequest) -> Iterator[Checkout]:
    """One directory an account for all tests here, since making a database takes longer than any of them."""
    account = MYSELF
    if request.param == "ordinary":
        if not AS_ROOT:
            pytest.skip("not root: “myself” is the ordinary user")
        account = "nobody"
    base_dir = Path(tempfile.mkdtemp(prefix="checkout with 'quote and äöü ", dir="/tmp"))
    shutil.chown(base_dir, account)
    played = Checkout(base_dir, account)
    yield played
    if account == MYSELF:
        postgres.remove(base_dir)
    for sockets in played.sockets:
        shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(base_dir)


@pytest.fixture
def checkout(initialised: Checkout) -> Iterator[Checkout]:
    yield initialised
    initialised.everybody_leaves()


@pytest.fixture(scope="module")
def initialised_by_me() -> Iterator[Path]:
    base_dir = Path(tempfile.mkdtemp(dir="/tmp"))
    yield base_dir
    postgres.remove(base_dir)
    shutil.rmtree(base_dir)


@pytest.fixture
def mine(initialised_by_me: Path) -> Iterator[Path]:
    """A checkout that this very process uses."""
    yield initialised_by_me
    postgres.release(initialised_by_me)


def connect(keys: dict[str, str]) -> psycopg.Connection:
    return psycopg.connect(
        host=keys["HOST"],
        port=keys["PORT"],
        dbname=keys["NAME"],
        user=keys["USER"],
        password=keys["PASSWORD"],
    )


def one(keys: dict[str, str], query: str) -> Any:
    with connect(keys) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row
    return row[0]


def is_alive(pid: int) -> bool:
    """Zombies are dead: in a container nobody may be there to collect them."""
    try:
        os.kill(pid, 0)
        if Path("/proc/self").exists():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.05)


def test_database_has_two_roles_durable_writes_and_unicode(checkout: Checkout) -> None:
    report = checkout.user().report
    app, owner = report["app"], report["owner"]

    assert one(app, "SHOW fsync") == "on"
    assert one(app, "SELECT datlocale FROM pg_database WHERE datname = 'shop'") == "C.UTF-8"
    assert one(app, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'shop'") == "UTF8"
    assert one(app, "SELECT has_schema_privilege('public', 'USAGE')")
    assert not one(app, "SELECT has_schema_privilege('public', 'CREATE')")
    assert not one(app, "SELECT has_database_privilege('shop', 'CREATE, TEMPORARY')")
    assert one(owner, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'") == "shop_owner"
    assert one(owner, "SELECT rolcreatedb AND NOT rolsuper FROM pg_roles WHERE rolname = current_user")
    with connect(owner) as connection:
        connection.execute("CREATE TABLE made_by_owner (id int)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        one(app, "SELECT count(*) FROM made_by_owner")


def test_wrong_password_is_refused_on_the_socket(checkout: Checkout) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect({**checkout.user().report["app"], "PASSWORD": "wrong"})


def test_nobody_else_can_reach_passwords_data_or_socket(mine: Path) -> None:
    mine.chmod(0o700)
    postgres.ensure_running(mine)
    place = place_of(mine)

    assert stat.S_IMODE((place.home / "passwords.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700, "the checkout itself keeps its mode"
    assert one(postgres.address(mine).app, "SHOW listen_addresses") == ""


def test_many_processes_may_start_it_at_once(checkout: Checkout) -> None:
    users = [checkout.user() for _ in range(5)]

    assert len({user.report["pid"] for user in users}) == 1
    assert len({user.report["app"]["PASSWORD"] for user in users}) == 1


def test_last_one_out_stops_it_and_data_are_kept(checkout: Checkout) -> None:
    first, second = checkout.user(), checkout.user()
    with connect(first.report["owner"]) as connection:
        connection.execute("CREATE TABLE kept_by_all AS SELECT 42 AS answer")
    server = second.report["pid"]

    assert first.leave() == 0
    assert is_alive(server)
    assert second.leave() == 0
    wait_until(lambda: not is_alive(server))

    assert one(checkout.user().report["owner"], "SELECT answer FROM kept_by_all") == 42


def test_killed_server_comes_back_with_its_data(checkout: Checkout) -> None:
    user = checkout.user()
    with connect(user.report["owner"]) as connection:
        connection.execute("CREATE TABLE kept_by_server AS SELECT 42 AS answer")
    os.kill(user.report["pid"], signal.SIGKILL)

    again = checkout.user()

    assert again.report["pid"] != user.report["pid"]
    assert one(again.report["owner"], "SELECT answer FROM kept_by_server") == 42


def test_killed_user_takes_nothing_with_it_and_leaks_nothing(checkout: Checkout) -> None:
    killed = checkout.user()
    server = killed.report["pid"]
    killed.kill()
    assert is_alive(server), "SIGKILL of a user leaves the server to the next one"

    following = checkout.user()
    assert following.report["pid"] == server
    following.leave()
    wait_until(lambda: not is_alive(server))


def test_stale_pid_file_whose_pid_lives_again_is_no_obstacle(checkout: Checkout) -> None:
    checkout.user().leave()
    if checkout.account == MYSELF:
        place = place_of(checkout.base_dir)
        data, account = place.data, place.account or MYSELF
    else:
        data, account = checkout.base_dir / "var" / "postgres" / "data", checkout.account
    with subprocess.Popen(["sleep", "60"], user=account if AS_ROOT else None) as bystander:
        try:
            # What a SIGKILL leaves, except that the pid now belongs to somebody else of the same account.
            file = data / "postmaster.pid"
            file.write_text(f"{bystander.pid}\n{data}\n1700000000\n5432\n/nowhere\n\n  5432001 1\nready\n")
            shutil.chown(file, account)

            assert one(checkout.user().report["app"], "SELECT 1") == 1
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_orphaned_back_end_keeps_a_second_server_off_its_data(mine: Path) -> None:
    where = postgres.ensure_running(mine)
    server = postgres.postmaster_pid(mine)
    assert server
    connection = connect(where.app)
    back_end = connection.info.backend_pid
    os.kill(back_end, signal.SIGSTOP)
    os.kill(server, signal.SIGKILL)
    released_at: list[float] = []

    def let_go() -> None:
        released_at.append(time.monotonic())
        os.kill(back_end, signal.SIGCONT)

    threading.Timer(1.5, let_go).start()
    postgres.ensure_running(mine)

    assert time.monotonic() > released_at[0]
    assert postgres.postmaster_pid(mine) != server
    connection.close()


def test_forked_children_neither_stop_it_nor_lose_it(checkout: Checkout) -> None:
    parent = checkout.user("fork")
    assert is_alive(parent.report["pid"]), "the child has left through sys.exit() by now"

    orphan = checkout.user("orphan")
    server = orphan.report["pid"]
    parent.leave()
    assert is_alive(server), "the orphan still holds its parent's share"

    orphan.leave()
    wait_until(lambda: not is_alive(server))


def test_joining_a_running_server_is_cheap(mine: Path) -> None:
    postgres.ensure_running(mine)
    durations_seconds = []
    for _ in range(10):
        started_at = time.perf_counter()
        postgres.ensure_running(mine)
        durations_seconds.append(time.perf_counter() - started_at)
    assert min(durations_seconds) < 0.03


def test_emptied_tmp_does_not_lock_us_out(mine: Path) -> None:
    postgres.ensure_running(mine)
    for file in place_of(mine).sockets.iterdir():
        file.unlink()

    assert one(postgres.ensure_running(mine).app, "SELECT 1") == 1


def test_server_that_cannot_start_says_why_with_its_log(mine: Path) -> None:
    postgres.ensure_running(mine)
    postgres.release(mine)
    settings = place_of(mine).data / "postgresql.auto.conf"
    settings.write_text("no_such_setting = 1\n")

    with pytest.raises(postgres.EmbeddedPostgresError, match="no_such_setting"):
        postgres.ensure_running(mine)

    settings.write_text("")
    assert one(postgres.ensure_running(mine).app, "SELECT 1") == 1


def test_data_of_another_major_version_are_not_touched(mine: Path) -> None:
    postgres.ensure_running(mine)
    postgres.release(mine)
    version = place_of(mine).data / "PG_VERSION"
    ours = version.read_text()
    version.write_text("16\n")

    with pytest.raises(postgres.EmbeddedPostgresError, match=r"PostgreSQL 16.*make clean-data"):
        postgres.ensure_running(mine)

    version.write_text(ours)


def test_data_in_use_are_not_removed(checkout: Checkout) -> None:
    if checkout.account != MYSELF:
        pytest.skip("the same code for both")
    assert checkout.user().report
    with pytest.raises(postgres.EmbeddedPostgresError, match="in use"):
        postgres.remove(checkout.base_dir)


def test_tcp_port_for_fault_tests_listens_on_loopback_only(mine: Path, unused_tcp_port: int) -> None:
    where = postgres.ensure_running(mine, tcp_port=unused_tcp_port)

    assert where.app["HOST"] == "127.0.0.1"
    assert one(where.app, "SHOW listen_addresses") == "127.0.0.1"


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
