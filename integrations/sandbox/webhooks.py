"""Sends a provider's events to the shop: queue rows, switches, retries, recorded attempts.

A delivery is a row before it is a request: `queued -> sending -> delivered | queued | failed`, `held` until released,
`lost` for ever. What was `sending` when the process died is queued again at the next start, so a receiver may see an
event twice, as with the real providers. Only loopback receivers are allowed.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json

ACTIONS = ("lose", "hold", "delay", "double", "reorder")
SEND_TIMEOUT_SECONDS = 10.0
IDLE_WAIT_SECONDS = 0.5
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")

#: Gives the exact body and headers of one attempt for an event id, read inside the transaction it gets; None
#: when
#: the event is no more.
Signer = Callable[[Transaction, str], tuple[bytes, dict[str, str]] | None]


class NotLoopback(ValueError):
    """A webhook URL must be plain http to this machine: the sandbox never talks to the outside."""


class UnknownRule(ValueError):
    """The named webhook switch does not exist: use one of ACTIONS."""


@dataclass(frozen=True)
class Rule:
    """A webhook switch. Empty `types` match all; `times` None means until cleared; `window` is for reorder only."""

    action: str
    types: tuple[str, ...] = ()
    times: int | None = None
    seconds: float = 0.0
    window: int = 2


def check_url(url: str) -> str:
    """Returns the URL when it is http on loopback. Raises NotLoopback otherwise."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        raise NotLoopback(f"webhook URL {url!r} is not http on loopback")
    return url


def add_rule(tx: Transaction, rule: Rule) -> int:
    """Switches a rule on and returns its number. Raises UnknownRule."""
    if rule.action not in ACTIONS:
        raise UnknownRule(f"unknown webhook switch {rule.action!r}; known: {', '.join(ACTIONS)}")
    cursor = tx.run(
        "INSERT INTO rules (action, types, times_left, seconds, window) VALUES (?, ?, ?, ?, ?)",
        rule.action, json.dumps(list(rule.types)), rule.times, rule.seconds, rule.window,
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def clear_rules(tx: Transaction) -> None:
    """Switches all rules off; what is held stays held."""
    tx.run("DELETE FROM rules")


def enqueue(tx: Transaction, *, event_id: str, event_type: str) -> None:
    """Queues an event for the shop, as the switches say. Without an endpoint nothing is queued, as at the providers."""
    if not tx.setting("webhook_url"):
        return
    rule = _matching_rule(tx, event_type)
    state = {"lose": "lost", "hold": "held", "reorder": "held"}.get(rule["action"] if rule else "", "queued")
    due = time.time() + (rule["seconds"] if rule and rule["action"] == "delay" else 0.0)
    copies = 2 if rule and rule["action"] == "double" else 1
    for _ in range(copies):
        tx.run(
            "INSERT INTO deliveries (event_id, type, state, due, rule_id) VALUES (?, ?, ?, ?, ?)",
            event_id, event_type, state, due, rule["id"] if rule else None,
        )  # fmt: skip
    if rule and rule["action"] == "reorder":
        _release_full_window(tx, rule_id=rule["id"], window=rule["window"])


def _matching_rule(tx: Transaction, event_type: str) -> Json | None:
    for row in tx.all("SELECT * FROM rules WHERE times_left IS NULL OR times_left > 0 ORDER BY id"):
        types = json.loads(row["types"])
        if not types or event_type in types:
            tx.run(
                "UPDATE rules SET times_left = times_left - 1 WHERE id = ? AND times_left IS NOT NULL",
                row["id"],
            )
            return dict(row)
    return None


def _release_full_window(tx: Transaction, *, rule_id: int, window: int) -> None:
    held = tx.all("SELECT id FROM deliveries WHERE rule_id = ? AND state = 'held' ORDER BY id DESC", rule_id)
    if len(held) < window:
        return
    for position, row in enumerate(held):
        # Spaced, so that several sender threads keep the reversed order.
        due = time.time() + 0.05 * position
        tx.run("UPDATE deliveries SET state = 'queued', due = ? WHERE id = ?", due, row["id"])


def pending_count(tx: Transaction, event_id: str) -> int:
    """Deliveries of this event that have not succeeded, whether or not they still may."""
    row = tx.one("SELECT count(*) AS n FROM deliveries WHERE event_id = ? AND state <> 'delivered'", event_id)
    return int(row["n"]) if row else 0


def listing(tx: Transaction, *, state: str | None = None, event_id: str | None = None) -> list[Json]:
    """Deliveries with their attempts, oldest first."""
    rows = tx.all(
        "SELECT * FROM deliveries WHERE (? IS NULL OR state = ?) AND (? IS NULL OR event_id = ?) ORDER BY id",
        state, state, event_id, event_id,
    )  # fmt: skip
    return [
        {
            "id": row["id"],
            "event_id": row["event_id"],
            "type": row["type"],
            "state": row["state"],
            "due": row["due"],
            "attempts": [
                {key: attempt[key] for key in ("at", "seconds", "status", "error")}
                for attempt in tx.all("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY id", row["id"])
            ],
        }
        for row in rows
    ]


def post(*, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str | None]:
    """One POST to the shop: (status, None), or (None, what went wrong). Redirects are not followed."""
    parts = urlsplit(check_url(url))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SEND_TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body=body, headers=headers)
        response = connection.getresponse()
        response.read(65_536)
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    else:
        return response.status, None
    finally:
        connection.close()


def any_success(status: int) -> bool:
    """Whether a status is any 2xx, which most providers count as delivered."""
    return 200 <= status < 300


class WebhookSender:
    """The threads that send what is queued. One condition wakes them; rows, not memory, say what is due."""

    def __init__(
        self,
        *,
        store: Store,
        signer: Signer,
        workers: int,
        on_idle: Callable[[], None],
        accepts: Callable[[int], bool] = any_success,
    ) -> None:
        """`accepts`: which statuses of the shop count as delivered."""
        self._store = store
        self._signer = signer
        self._accepts = accepts
        self._on_idle = on_idle
        self._wake = threading.Condition()
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        self._threads.append(threading.Thread(target=self._keep_time, daemon=True))

    def start(self) -> None:
        """Puts back what was being sent when the last process died, then starts the threads."""
        with self._store.transaction() as tx:
            tx.run("UPDATE deliveries SET state = 'queued' WHERE state = 'sending'")
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets the threads finish the attempt in hand."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=SEND_TIMEOUT_SECONDS + 1)

    def nudge(self) -> None:
        """Says that something may be due."""
        with self._wake:
            self._wake.notify_all()

    def send(self, delivery_id: int) -> Json:
        """Sends one delivery now, whatever its state, in the caller's thread, and returns its attempt."""
        with self._store.transaction() as tx:
            row = tx.one("SELECT event_id FROM deliveries WHERE id = ?", delivery_id)
            if row is None:
                raise LookupError(f"no delivery {delivery_id}")
            tx.run("UPDATE deliveries SET state = 'sending' WHERE id = ?", delivery_id)
        return self._attempt(delivery_id, str(row["event_id"]))

    def _keep_time(self) -> None:
        while not self._stopping:
            self._survive(self._on_idle)
            time.sleep(IDLE_WAIT_SECONDS)

    def _work(self) -> None:
        while not self._stopping:
            self._survive(self._step)

    @staticmethod
    def _survive(step: Callable[[], None]) -> None:
        """A thread that ended would silently stop all webhooks: report what went wrong and go on, not too fast."""
        try:
            step()
        except Exception:  # noqa: BLE001 - whatever it was, the next delivery must not suffer
            traceback.print_exc()
            time.sleep(IDLE_WAIT_SECONDS)

    def _step(self) -> None:
        claimed = self._claim()
        if claimed is not None:
            self._attempt(*claimed)
            return
        with self._wake:
            if not self._stopping:
                self._wake.wait(self._pause())

    def _pause(self) -> float:
        with self._store.transaction() as tx:
            row = tx.one("SELECT min(due) AS due FROM deliveries WHERE state = 'queued'")
        if row is None or row["due"] is None:
            return IDLE_WAIT_SECONDS
        return max(0.001, min(IDLE_WAIT_SECONDS, float(row["due"]) - time.time()))

    def _claim(self) -> tuple[int, str] | None:
        with self._store.transaction() as tx:
            row = tx.one(
                "SELECT id, event_id FROM deliveries WHERE state = 'queued' AND due <= ? ORDER BY due, id LIMIT 1",
                time.time(),
            )
            if row is None:
                return None
            tx.run("UPDATE deliveries SET state = 'sending' WHERE id = ?", row["id"])
            return int(row["id"]), str(row["event_id"])

    def _attempt(self, delivery_id: int, event_id: str) -> Json:
        with self._store.transaction() as tx:
            url = tx.setting("webhook_url")
            signed = self._signer(tx, event_id)
        started = time.time()
        status: int | None = None
        error: str | None = "no webhook endpoint is set" if signed else "the event was forgotten"
        if url and signed:
            status, error = post(url=url, body=signed[0], headers=signed[1])
        attempt = {"at": started, "seconds": time.time() - started, "status": status, "error": error}
        with self._store.transaction() as tx:
            self._mark(tx, delivery_id, attempt)
        return attempt

    def _mark(self, tx: Transaction, delivery_id: int, attempt: Json) -> None:
        tx.run(
            "INSERT INTO attempts (delivery_id, at, seconds, status, error) VALUES (?, ?, ?, ?, ?)",
            delivery_id, attempt["at"], attempt["seconds"], attempt["status"], attempt["error"],
        )  # fmt: skip
        if attempt["status"] is not None and self._accepts(attempt["status"]):
            tx.run("UPDATE deliveries SET state = 'delivered' WHERE id = ?", delivery_id)
            return
        schedule = tx.setting("webhook_retry_seconds", [])
        row = tx.one("SELECT count(*) AS n FROM attempts WHERE delivery_id = ?", delivery_id)
        tried = int(row["n"]) if row else 1
        if tried > len(schedule):
            tx.run("UPDATE deliveries SET state = 'failed' WHERE id = ?", delivery_id)
        else:
            due = time.time() + float(schedule[tried - 1])
            tx.run("UPDATE deliveries SET state = 'queued', due = ? WHERE id = ?", due, delivery_id)
