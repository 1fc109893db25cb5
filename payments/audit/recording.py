"""The audit log: who did what, on what and why. Every row of it is written here, and none is ever changed.

Two kinds of rows, one log (payments/backoffice/audit_log.py reads both):

- Changes of rows that a person can change are LogEntry rows of django-auditlog (payments/audit/audited.py lists the
  models). Who acts and why comes from `acting()`; whoever opens such a block need not pass it on.
- What is no change of a row (a reveal, a sign-in, a refusal, an export) is an AuditRecord, written by `record()`.

Both commit with what they tell of, or before it is shown: an act whose row cannot be written does not happen.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from auditlog.models import LogEntry
from django.db.models.signals import pre_save

from integrations import correlation, redaction
from payments.audit.events import Event
from payments.models.audit import AuditRecord

ANONYMOUS = "anonymous"
REASON_MAX_CHARACTERS = 1000

Actor = Any
"""A user, a name such as `worker:keep`, None for nobody known, or a function that returns one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Who is acting now, from where and why. `action_id`: the StaffAction that is being executed."""

    actor: Actor
    reason_code: str = ""
    reason: str = ""
    action_id: int | None = None
    client: str = ""
    command: str = ""

    def whoever(self) -> Any:
        """Return the user or name; a request's person is found out only when somebody asks."""
        return self.actor() if callable(self.actor) else self.actor


_acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting(
    *,
    actor: Actor = None,
    reason_code: str = "",
    reason: str = "",
    action_id: int | None = None,
    client: str = "",
    command: str = "",
    correlation_id: str = "",
) -> Iterator[None]:
    """Name, for every audited change inside the block, who makes it and why.

    What is not given stays as the block around it says; another actor is not by the command around. Threads start with
    nothing: open the block in the thread.
    """
    around = current()
    if actor is not None:
        around = replace(around, command="")
    given: dict[str, Any] = {
        "actor": actor,
        "reason_code": reason_code,
        "reason": reason,
        "action_id": action_id,
        "client": client,
        "command": command,
    }
    token = _acting.set(replace(around, **{name: value for name, value in given.items() if value not in (None, "")}))
    try:
        with correlation.bind(correlation_id or correlation.current()):
            yield
    finally:
        _acting.reset(token)


def current() -> Acting:
    """Return who is acting. Outside any block it is this process: a worker, or the command somebody started."""
    return _acting.get() or Acting(actor=worker_actor() or command_actor(), command=_command_line_name())


def name_of(actor: Actor) -> str:
    """Return how the log names an actor: `user:7`, the name it has, or `anonymous`."""
    if callable(actor):
        actor = actor()
    if isinstance(actor, str) and actor:
        return actor[:100]
    if actor is None or not getattr(actor, "is_authenticated", False):
        return ANONYMOUS
    return f"user:{actor.pk}"


def worker_actor() -> str:
    """Return the actor of a worker's process, `worker:` and its cluster's name; empty in any other process."""
    cluster = os.environ.get("Q_CLUSTER_NAME", "")
    return f"worker:{cluster}" if cluster else ""


@cache
def command_actor() -> str:
    """Return the actor of a command: `command:` and the operating system's user."""
    try:
        return f"command:{getpass.getuser()}"[:100]
    except (KeyError, OSError):  # a container's user may have no name
        return f"command:uid-{os.getuid()}"


def record(
    event: Event,
    *,
    actor: Actor,
    subject_kind: str = "",
    subject_id: int = 0,
    reason_code: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    at: datetime,
    correlation_id: str = "",
    client: str = "",
) -> AuditRecord:
    """Write one event. Raises DatabaseError where it cannot: then let the act fail too.

    Inside a transaction it commits with the act. Record a reveal or an export *before* anything is shown, outside any
    transaction that may still roll back; record a refusal after the rollback. `details` is plain JSON and is scrubbed
    of secrets, personal data and card numbers; `reason` of card numbers. `client` and, where empty, the correlation id
    are those of the request.
    """
    return AuditRecord.objects.create(
        at=at,
        event=event,
        actor=name_of(actor),
        subject_kind=subject_kind,
        subject_id=subject_id,
        reason_code=reason_code,
        reason=clear_text(reason)[:REASON_MAX_CHARACTERS],
        details=_clear_json(redaction.scrub(dict(details or {}))),
        client=_address(client or current().client),
        correlation_id=(correlation_id or correlation.current())[:64],
    )


def clear_text(text: str) -> str:
    """Return `text` without card numbers, and without NUL and lone surrogates, which PostgreSQL refuses."""
    return redaction.scrub_cards(text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode())


def connect() -> None:
    """Let every LogEntry name who acts and why; once, however often it is called."""
    pre_save.connect(_attribute, sender=LogEntry, dispatch_uid="payments.audit.recording.attribute")


def _attribute(*, instance: Any, **_: Any) -> None:
    """Fill in a new LogEntry. This replaces auditlog's own context, which forgets the outer actor when nested."""
    if instance.pk is not None:
        return
    now = current()
    who = now.whoever()
    if getattr(who, "is_authenticated", False):
        instance.actor_id = who.pk
    told = {
        "actor": name_of(who),
        "reason_code": now.reason_code,
        "reason": clear_text(now.reason)[:REASON_MAX_CHARACTERS],
        "action": now.action_id,
        "command": now.command,
    }
    instance.additional_data = {
        **(instance.additional_data or {}),
        **{name: value for name, value in told.items() if value not in (None, "")},
    }
    instance.remote_addr = _address(now.client)
    instance.object_repr = clear_text(instance.object_repr)[:200]


def _clear_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {clear_text(name): _clear_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clear_json(item) for item in value]
    return clear_text(value) if isinstance(value, str) else value


def _address(text: str) -> str | None:
    """Return `text` if it is an address: a peer on a unix socket has none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _command_line_name() -> str:
    """Return what this process was started as: `manage.py createsuperuser`; no further words, they may be secret."""
    name = Path(sys.argv[0]).name
    return f"{name} {sys.argv[1]}"[:80] if name == "manage.py" and len(sys.argv) > 1 else name[:80]
