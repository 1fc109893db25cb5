"""move(): the only door into a money state machine. Each passage, and each refusal, is a Transition row.

The database holds the door shut from its side: a trigger refuses a changed state that has no Transition row of the same
transaction (orders/migrations/0002).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from django.db import models, transaction
from django_fsm import GET_STATE, RETURN_VALUE, TransitionNotAllowed

from orders.models.transition import Transition


class StateMachine(Protocol):
    """A model with an FSMField `state` and transition methods named after their events."""

    pk: int
    state: str
    SUBJECT_KIND: ClassVar[str]


class ForbiddenTransition(Exception):
    """The machine has no such edge. In an operation: nothing happened; show the message to the person who asked."""

    def __init__(self, subject: Any, *, event: str, actor: str, cause: str, at: datetime) -> None:
        super().__init__(f"{subject.SUBJECT_KIND} {subject.pk} is {subject.state}: “{event}” is not possible now.")
        self.subject, self.event, self.actor, self.cause, self.at = subject, event, actor, cause, at

    def record(self) -> Transition:
        """Write the forbidden row. Needs a transaction; locks the subject so that its sequence has no gap."""
        model: type[models.Model] = type(self.subject)
        locked: Any = model._default_manager.select_for_update(no_key=True).get(pk=self.subject.pk)
        return _row(locked, event=self.event, to=None, actor=self.actor, cause=self.cause, at=self.at)


@dataclass(frozen=True, slots=True)
class Edge:
    """One arrow of a machine."""

    source: str
    target: str
    event: str


def move(subject: Any, event: str, *, actor: str, cause: str, at: datetime, **arguments: Any) -> Transition:
    """Take one edge and write its row. The caller holds the subject's row lock inside a transaction.

    `event`: name of the transition method. `actor`: who (`user:7`, `worker:look`, `shopper`). `cause`: what led here
    (`look:12`, `correction:5`). Raises ForbiddenTransition when there is no such edge; let it pass out of
    `operation()`.
    """
    source = subject.state
    try:
        getattr(subject, event)(**arguments)
    except TransitionNotAllowed as refused:
        raise ForbiddenTransition(subject, event=event, actor=actor, cause=cause, at=at) from refused
    row = _row(subject, event=event, to=subject.state, source=source, actor=actor, cause=cause, at=at)
    subject.save(update_fields=["state"])
    return row


def move_or_record(subject: Any, event: str, *, actor: str, cause: str, at: datetime, **arguments: Any) -> Transition:
    """As move(), for settlement: a refusal writes the forbidden row in this same transaction and returns it."""
    try:
        return move(subject, event, actor=actor, cause=cause, at=at, **arguments)
    except ForbiddenTransition:
        return _row(subject, event=event, to=None, actor=actor, cause=cause, at=at)


@contextmanager
def operation() -> Iterator[None]:
    """Open the durable transaction of one operation; a forbidden transition is recorded after the rollback, then
    raised.

    Never used inside another transaction: Django raises RuntimeError there.
    """
    try:
        with transaction.atomic(durable=True):
            yield
    except ForbiddenTransition as refused:
        with transaction.atomic(durable=True):
            refused.record()
        raise


def edges_of(model: type[models.Model]) -> list[Edge]:
    """Return all edges of a model's machine, as declared by its transition methods, in a stable order."""
    found: list[Edge] = []
    for declared in model._meta.get_field("state").get_all_transitions(model):  # type: ignore[union-attr]
        targets = (
            declared.target.allowed_states
            if isinstance(declared.target, RETURN_VALUE | GET_STATE)
            else [declared.target]
        )
        found += [Edge(str(declared.source), str(target), declared.name) for target in targets]
    return sorted(found, key=lambda edge: (edge.source, edge.target, edge.event))


def _row(
    subject: Any, *, event: str, to: str | None, actor: str, cause: str, at: datetime, source: str | None = None
) -> Transition:
    last = (
        Transition.objects.filter(subject_kind=subject.SUBJECT_KIND, subject_id=subject.pk)
        .order_by("-sequence")
        .values_list("sequence", flat=True)
        .first()
    )
    return Transition.objects.create(
        subject_kind=subject.SUBJECT_KIND,
        subject_id=subject.pk,
        sequence=(last or 0) + 1,
        from_state=subject.state if source is None else source,
        to_state=to or "",
        event=event,
        forbidden=to is None,
        actor=actor,
        cause=cause,
        at=at,
    )
