"""The disk is full (FAULTS.md 30): a small tmpfs under the inbox. 503, never a 2xx, and then it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from config.postgres_place import place_of
from tests.faults.paying import Order
from tests.faults.world import World, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

DISK_BYTES = 16 * 1024 * 1024
INBOX = "payments_providerevent"
FULL = ("No space left on device",)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    there = Path("/var/tmp") / f"shop-disk-{os.getpid()}"
    there.mkdir()
    size = f"size={DISK_BYTES}"
    mounted = os.geteuid() == 0 and not subprocess.call(["mount", "-t", "tmpfs", "-o", size, "tmpfs", there])
    try:
        if not mounted:
            pytest.skip("to make a full disk takes root and the right to mount")
        yield there
    finally:
        if mounted:
            subprocess.check_call(["umount", there])
        there.rmdir()


@contextmanager
def inbox_on(world: World, disk: Path) -> Iterator[None]:
    """Let the inbox live on that disk."""
    place = disk / "tablespace"
    place.mkdir(mode=0o700)
    account = place_of(world.directory).account
    if account:
        shutil.chown(place, account)
    with world.connect(superuser=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
        connection.execute(f"ALTER TABLE {INBOX} SET TABLESPACE small".encode())
        try:
            yield
        finally:
            forget_the_filling(world)
            connection.execute(f"ALTER TABLE {INBOX} SET TABLESPACE pg_default".encode())
            connection.execute(b"DROP TABLESPACE small")


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill it to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


def test_the_disk_is_full(world: World, disk: Path) -> None:
    """An event that finds no room is answered 503, comes again when there is room, and is taken.

    A single one may still find some on a page that PostgreSQL has tidied up meanwhile; then it stands there.
    """
    world.expected += FULL
    with inbox_on(world, disk):
        order = Order(world)
        with full(disk):
            fill_the_last_page(world)
            since = time.time()
            paid = order.pay()
            wait_until(lambda: 503 in answers(world, since=since).values(), world)
            meanwhile = answers(world, since=since)
            missing = {event for event, status in meanwhile.items() if status != 503} - stored(world)
        order.visitor.come_back(paid)
        order.ends_well()
    assert set(meanwhile.values()) <= {200, 503}
    assert not missing, "an event was answered as stored on a full disk"


def answers(world: World, *, since: float) -> dict[str, int | None]:
    """Return how each event since a moment (seconds since the epoch) was answered, last, if it was answered."""
    return {
        delivery.event_id: attempt.status
        for delivery in world.control.deliveries()
        for attempt in delivery.attempts
        if attempt.status and attempt.at + attempt.seconds >= since
    }


def stored(world: World) -> set[str]:
    """Return the events that stand in the inbox."""
    return {str(row["event_id"]) for row in world.rows(f"SELECT event_id FROM {INBOX}")}


FILLER = """
    INSERT INTO payments_providerevent (uid, provider, event_id, type, mode, account, api_version, state,
        provider_created_at, received_at, object_ids, page_id, intent_id, reference, body_sealed, body_sha256,
        correlation_id, tries, fence, error, finished_at)
    VALUES (gen_random_uuid(), 'stripe', 'filler_' || gen_random_uuid(), 'filler', 'test', '', '', 'ignored', now(),
        now(), '{}', '', '', '', '', '', '', 0, 0, '', now())
"""


def fill_the_last_page(world: World) -> None:
    """Fill what is left of the inbox's last page with rows smaller than any event's."""
    with pytest.raises(psycopg.errors.DiskFull):
        for _ in range(1000):
            world.rows(FILLER)


def forget_the_filling(world: World) -> None:
    world.rows("DELETE FROM payments_providerevent WHERE type = 'filler'")
