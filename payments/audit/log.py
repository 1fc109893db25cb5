"""Reading the audit log: events (AuditRecord) and changes of rows (LogEntry) as one list, newest first, paged by key.

Reads only. Each page asks both tables for one page of rows beyond a position and merges them; nothing is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from auditlog.models import LogEntry
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, Q, QuerySet
from django.utils.text import capfirst

from integrations.redaction import one_line
from payments.audit.audited import WATCHED
from payments.audit.events import Event, label_of
from payments.audit.recording import ANONYMOUS
from payments.models.audit import AuditRecord

EVENTS, CHANGES = "event", "change"
"""The two sources of lines; at the same moment events come first."""

ACTIONS = {
    "created": (LogEntry.Action.CREATE, "Created"),
    "changed": (LogEntry.Action.UPDATE, "Changed"),
    "deleted": (LogEntry.Action.DELETE, "Deleted"),
}
_ACTION_NAMES = {number: name for name, (number, _) in ACTIONS.items()}

_SHORT_KINDS = {"providerevent": "event", "paymentattempt": "attempt", "staffaction": "action"}
_ALSO_SUBJECTS = ("orders.Order", "payments.ProviderEvent", "payments.PaymentAttempt", "integrations.Delivery")
_POSITION = re.compile(r"(event|change)-([0-9]{1,18})-([0-9]{1,18})", re.ASCII)


def kind_of(model: type[Model]) -> str:
    """Return how the log names a kind of subject: `user`, `order`, `event` …"""
    name = str(model._meta.model_name)
    return _SHORT_KINDS.get(name, name)


def kinds() -> dict[str, type[Model]]:
    """Return every kind of subject that has a table, by its name."""
    models = [apps.get_model(label) for label in (*WATCHED, *_ALSO_SUBJECTS)]
    return {kind_of(model): model for model in sorted(models, key=kind_of)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; empty: all. `event`: one of Event, or of ACTIONS. `day`: UTC."""

    actor: str = ""
    event: str = ""
    subject_kind: str = ""
    subject_id: int | None = None
    day: date | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Beyond which line a page begins. Written `event-<microseconds since 1970>-<key>` in the address."""

    source: str
    at: datetime
    key: int

    def __str__(self) -> str:
        return f"{self.source}-{(self.at - _EPOCH) // timedelta(microseconds=1)}-{self.key}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def position_of(text: str) -> Position | None:
    """Read a position from an address; None, the newest, for anything else."""
    found = _POSITION.fullmatch(text)
    if found is None:
        return None
    try:
        return Position(found[1], _EPOCH + timedelta(microseconds=int(found[2])), int(found[3]))
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a row, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the log, from either table."""

    source: str
    key: int
    at: datetime
    event: str
    what: str
    actor: str
    subject_kind: str
    subject_id: int
    subject: str
    reason_code: str
    reason: str
    client: str
    correlation_id: str
    command: str = ""
    action_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    @property
    def position(self) -> Position:
        return Position(self.source, self.at, self.key)


def page(filters: Filters, position: Position | None, *, size: int) -> tuple[list[Line], Position | None]:
    """Return up to `size` lines beyond the position, newest first, and where the next page begins (None: nowhere)."""
    events = _events(filters)
    changes = _changes(filters)
    if position is not None:
        events = events.filter(_beyond(position, "at", same_source=position.source == EVENTS, first=True))
        changes = changes.filter(_beyond(position, "timestamp", same_source=position.source == CHANGES, first=False))
    lines = [
        *map(line_of_event, events.order_by("-at", "-pk")[: size + 1]),
        *map(line_of_change, changes.order_by("-timestamp", "-pk")[: size + 1]),
    ]
    lines.sort(key=lambda line: (line.at, line.source == EVENTS, line.key), reverse=True)
    shown = lines[:size]
    return shown, shown[-1].position if len(lines) > size else None


def line(source: str, key: int) -> Line | None:
    """Return one line, None if there is none."""
    if source == EVENTS:
        row = AuditRecord.objects.filter(pk=key).first()
        return line_of_event(row) if row else None
    entry = _with_types(LogEntry.objects.filter(pk=key)).first()
    return line_of_change(entry) if entry else None


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """Return the user names of those actors that are people, by `user:<id>`."""
    ids = {int(actor[5:]) for actor in actors if re.fullmatch(r"user:[0-9]{1,9}", actor, re.ASCII)}
    users = get_user_model()._default_manager.filter(pk__in=ids)
    return {f"user:{user.pk}": user.get_username() for user in users}


def actor_named(text: str) -> str:
    """Return the actor that somebody typed: a user's name becomes `user:<id>`, all else stays."""
    if ":" in text or text == ANONYMOUS or "\x00" in text:
        return text
    users = get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: text})
    key = users.values_list("pk", flat=True).first()
    return f"user:{key}" if key else text


# --- the two tables ----------------------------------------------------------------------------------------------


def _events(filters: Filters) -> QuerySet[AuditRecord]:
    rows = AuditRecord.objects.all()
    if filters.event in ACTIONS:
        return rows.none()
    wanted: dict[str, Any] = {
        "event": filters.event,
        "actor": filters.actor,
        "subject_kind": filters.subject_kind,
        "correlation_id": filters.correlation_id,
    }
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    if filters.subject_id is not None:
        rows = rows.filter(subject_id=filters.subject_id)
    return rows.filter(_on_day(filters.day, "at"))


def _changes(filters: Filters) -> QuerySet[Any]:
    rows = _with_types(LogEntry.objects.all())
    if filters.event and filters.event not in ACTIONS:
        return rows.none()
    if filters.event:
        rows = rows.filter(action=ACTIONS[filters.event][0])
    if filters.actor:
        rows = rows.filter(additional_data__actor=filters.actor)
    if filters.correlation_id:
        rows = rows.filter(cid=filters.correlation_id)
    if filters.subject_kind:
        model = kinds().get(filters.subject_kind)
        if model is None:
            return rows.none()
        rows = rows.filter(content_type=ContentType.objects.get_for_model(model))
    if filters.subject_id is not None:
        rows = rows.filter(object_id=filters.subject_id)
    return rows.filter(_on_day(filters.day, "timestamp"))


def _with_types(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_related("content_type")


def _on_day(day: date | None, name: str) -> Q:
    if day is None:
        return Q()
    begins = datetime.combine(day, time(), tzinfo=UTC)
    return Q(**{f"{name}__gte": begins, f"{name}__lt": begins + timedelta(days=1)})


def _beyond(position: Position, name: str, *, same_source: bool, first: bool) -> Q:
    """Return what comes after a position: earlier, or at the same moment with a lower key or of the later source."""
    earlier = Q(**{f"{name}__lt": position.at})
    if same_source:
        return earlier | Q(**{name: position.at, "pk__lt": position.key})
    return earlier if first else earlier | Q(**{name: position.at})


# --- lines in words ----------------------------------------------------------------------------------------------


def line_of_event(row: AuditRecord) -> Line:
    subject = f"{row.subject_kind} {row.subject_id}" if row.subject_id else row.subject_kind
    return Line(
        source=EVENTS,
        key=row.pk,
        at=row.at,
        event=row.event,
        what=label_of(row.event),
        actor=row.actor,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        subject=one_line(subject),
        reason_code=row.reason_code,
        reason=one_line(row.reason),
        client=row.client or "",
        correlation_id=row.correlation_id,
        details=row.details,
    )


def line_of_change(entry: Any) -> Line:
    model = entry.content_type.model_class()
    told = entry.additional_data or {}
    action = _ACTION_NAMES.get(entry.action, "changed")
    kind = model._meta.verbose_name if model else entry.content_type.model
    return Line(
        source=CHANGES,
        key=entry.pk,
        at=entry.timestamp,
        event=action,
        what=f"{ACTIONS[action][1]} {kind}",
        actor=told.get("actor", ANONYMOUS),
        subject_kind=kind_of(model) if model else entry.content_type.model,
        subject_id=entry.object_id or 0,
        subject=one_line(entry.object_repr),
        reason_code=told.get("reason_code", ""),
        reason=one_line(told.get("reason", "")),
        client=entry.remote_addr or "",
        correlation_id=entry.cid or "",
        command=told.get("command", ""),
        action_id=told.get("action"),
        changes=tuple(_change(model, name, change) for name, change in sorted((entry.changes or {}).items())),
    )


def _change(model: type[Model] | None, name: str, change: Any) -> Change:
    what, words = _words_of(model, name)
    if isinstance(change, dict):  # rows of a many-to-many field
        objects = one_line(", ".join(map(str, change.get("objects", []))))
        added = change.get("operation") == "add"
        return Change(what=what, before="" if added else objects, after=objects if added else "")
    before, after = ("" if value in (None, "None") else words.get(str(value), str(value)) for value in change)
    return Change(what=what, before=one_line(before), after=one_line(after))


def _words_of(model: type[Model] | None, name: str) -> tuple[str, dict[str, str]]:
    """Return a field's name in words, and the words for its values where it has choices."""
    if model is None:
        return name, {}
    try:
        field_ = model._meta.get_field(name)
    except FieldDoesNotExist:  # of a former version
        return name, {}
    choices = {str(value): str(label) for value, label in getattr(field_, "flatchoices", [])}
    return capfirst(str(getattr(field_, "verbose_name", name))), choices


def event_choices() -> list[tuple[str, str]]:
    """Return what a list may be filtered by: (value, words)."""
    changes = [(name, f"{word} a row") for name, (_, word) in ACTIONS.items()]
    return [*changes, *((event.value, event.label) for event in Event)]
