"""*Ask the provider now*: a person makes us look at an order's attempts, and reads what came of it.

The answer changes what it changes through settle(), as any look does. Threats: a person, or a script in their place,
who asks without end (once in ten seconds an order, whoever asks), and one without the role. Each asking is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from integrations.http import total_deadline
from orders.models import Order
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.clock import Clock
from payments.models import PaymentAttempt
from payments.roles import Area, Verb, check_may
from payments.settlement import LookResult, Outcome, look
from payments.situation import provider_label
from payments.staff_operations import NotPossible
from payments.why import moment

ASK_EVERY_SECONDS = 10
ANSWER_WITHIN_SECONDS = 12
MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it, in a sentence; `answered`: by every provider that was asked."""

    answered: bool
    sentence: str


def check_ask(order: Order, *, user: Any) -> None:
    """Raise PermissionDenied or NotPossible, with the sentence a person reads, unless they may ask about this order."""
    check_may(user, Verb.DO, Area.ASK_PROVIDER)
    if not _askable(order):
        raise NotPossible("No payment has reached a provider yet: there is nothing to ask about.")


def ask(order: Order, *, user: Any, clock: Clock) -> Asked:
    """Look at the order's newest attempts. Opens its own transactions; never inside one.

    Raises PermissionDenied; NotPossible where there is nothing to ask, or somebody asked a moment ago.
    """
    check_ask(order, user=user)
    if not cache.add(f"asked-about:{order.pk}", 1, timeout=ASK_EVERY_SECONDS):
        raise NotPossible(f"Somebody asked a moment ago. Ask again in {ASK_EVERY_SECONDS} seconds.")
    audit.record(Event.PROVIDER_ASKED, actor=user, subject_kind=Order.SUBJECT_KIND, subject_id=order.pk, at=clock())
    sentences, answered = [], True
    with total_deadline(ANSWER_WITHIN_SECONDS):
        for attempt in _askable(order):
            result = look(attempt.pk, clock=clock, actor=f"user:{user.pk}")
            answered &= result.outcome in (Outcome.SETTLED, Outcome.NOTHING_THERE)
            sentences.append(_told(attempt, result, clock=clock))
    state = Order.objects.values_list("state", flat=True).get(pk=order.pk)
    if state != order.state:
        sentences.append(f"The order is now {state.replace('_', ' ')}.")
    return Asked(answered, " ".join(sentences))


def _askable(order: Order) -> list[PaymentAttempt]:
    attempts = order.attempts.order_by("-pk")[:MOST_ATTEMPTS]
    return [attempt for attempt in attempts if attempt.page_id or attempt.intent_id]


def _told(before: PaymentAttempt, result: LookResult, *, clock: Clock) -> str:
    label, after = provider_label(before.provider), result.attempt
    if result.outcome is Outcome.OVERTAKEN:
        return f"{label} is being asked by somebody else at this moment."
    if result.outcome is Outcome.NOTHING_THERE:
        return f"{label} answered: it knows of no payment yet; {_state(after)}."
    if result.outcome is not Outcome.SETTLED:
        again = f" We ask again at {moment(after.next_look_at, now=clock())}." if after.next_look_at else ""
        return f"{label} did not answer: {after.look_error.rstrip('.') or 'nothing to ask'}.{again}"
    changed = _state(before) != _state(after)
    return f"{label} answered: {_state(after)}{'' if changed else ', as before'}."


def _state(attempt: PaymentAttempt) -> str:
    word = attempt.state.replace("_", " ")
    declined = f", last decline {attempt.decline_reason.replace('_', ' ')}" if attempt.decline_reason else ""
    if not attempt.is_live:
        return f"{word}{declined}"
    return f"{word}, its page is {'open' if attempt.page_open else 'done'}{declined}"
