"""Which models django-auditlog watches: every one whose rows a person can change. A test holds the two tables below
against all models there are.

A row and its audit entry commit together: save() of a watched model is a transaction. Outside one, auditlog would keep
the entry of a save that failed, and a row whose entry could not be written. What goes by save() (queryset.update(),
bulk_create(), SQL) is not seen: tests/architecture/test_audited_models.py keeps the code from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from auditlog.registry import auditlog
from django.apps import apps
from django.db import models, router, transaction

MASK = "integrations.redaction.mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How one model is watched. `only`: these fields; `never`: all but these; `masked`: that they changed, not how."""

    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    many: tuple[str, ...] = ()


WATCHED: Mapping[str, Watched] = {
    "orders.Product": Watched(),
    "orders.Price": Watched(),
    # When it was last used, and of what its expiry was told, the processes write.
    "integrations.Credential": Watched(never=("value_sealed", "last_used_at", "expiry_told_days")),
    "integrations.Destination": Watched(never=("secrets_sealed", "staged_secret_sealed")),
    # People pause and resume; what the machine sees and does is in the other fields, and not written by save().
    "integrations.Breaker": Watched(only=("state", "since", "actor", "reason")),
    # Last sign-ins are events. A new password is told, its hash is not.
    "auth.User": Watched(never=("last_login",), masked=("password",), many=("groups", "user_permissions")),
    "auth.Group": Watched(many=("permissions",)),
    # Workers write the rest: each sighting of what is wrong.
    "payments.Case": Watched(never=("last_seen_at", "times_seen", "theirs", "recovered_at")),
    # Preview and parameters stand in the action's own row, which never changes; workers put off the next try.
    "payments.StaffAction": Watched(never=("preview", "parameters", "fingerprint", "next_try_at")),
    "payments.Approval": Watched(),
    "payments.TotpDevice": Watched(only=("user", "name", "confirmed", "confirmed_at")),
    "payments.BackupCodes": Watched(only=("user", "name", "created_at")),
    "payments.StaffAccount": Watched(),
}

_APPEND_ONLY = "Append-only: each row is its own record."
_OF_WORKERS = "A work row: only workers write it."
_BY_MOVE = "Changes by orders.transitions.move() only, which writes a Transition; or is set by settlement."
_OF_SHOPPERS = "Shoppers' own, before anything is owed."
_OF_DJANGO_Q = "The queue's wake-ups and what became of them; its screens are left out (payments/backoffice/site.py)."
_OF_AXES = "axes' counters; each failed sign-in and lockout is an AuditRecord."
_THROUGH = "Watched as a field of the model it belongs to."

NOT_WATCHED: Mapping[str, str] = {
    "orders.Basket": _OF_SHOPPERS,
    "orders.BasketLine": _OF_SHOPPERS,
    "orders.Order": _BY_MOVE,
    "orders.OrderLine": "A snapshot, written with its order and never again.",
    "orders.Transition": _APPEND_ONLY,
    "payments.PaymentAttempt": _BY_MOVE,
    "payments.Capture": "What a provider said, written by settlement only.",
    "payments.Refund": _BY_MOVE,
    "payments.Dispute": _BY_MOVE,
    "payments.DisputeMovement": _APPEND_ONLY,
    "payments.Look": _APPEND_ONLY,
    "payments.ProviderCall": _OF_WORKERS,
    "payments.ProviderEvent": _OF_WORKERS,
    "payments.IdempotencyRecord": _OF_WORKERS,
    "payments.PaymentTry": _APPEND_ONLY,
    "payments.ReconciliationFinding": _APPEND_ONLY,
    "payments.ReconciliationRun": _OF_WORKERS,
    "payments.EventWatermark": _OF_WORKERS,
    "payments.SignatureTrouble": _OF_WORKERS,
    "payments.LedgerTransaction": _APPEND_ONLY,
    "payments.LedgerEntry": _APPEND_ONLY,
    "payments.AccountingPeriod": _APPEND_ONLY,
    "payments.AccountBalance": _APPEND_ONLY,
    "payments.Payout": "Changes by move(), which writes a Transition, or mirrors what a provider said.",
    "payments.BalanceEntry": _APPEND_ONLY,
    "payments.PayoutLine": _APPEND_ONLY,
    "payments.PayoutMirror": _OF_WORKERS,
    "payments.BankLine": _APPEND_ONLY,
    "payments.BankMatch": _APPEND_ONLY,
    "payments.BankMatchUndoing": _APPEND_ONLY,
    "payments.Note": _APPEND_ONLY,
    "payments.CaseNote": _APPEND_ONLY,
    "payments.PeriodFigures": "Derived from other rows; made again at any time.",
    "payments.KeeperRound": _OF_WORKERS,
    "payments.LedgerCheck": _OF_WORKERS,
    "payments.AuditRecord": _APPEND_ONLY,
    "payments.Invitation": "Each step of one, from its making to its use, is an AuditRecord.",
    "payments.StaffToken": "Issued, collected, revoked: each is an AuditRecord; its uses are not.",
    "payments.AuditSeal": _APPEND_ONLY,
    "payments.SealedRows": _APPEND_ONLY,
    "payments.BackupCode": "A digest that is used up at a sign-in, which is an AuditRecord; a new set is watched.",
    "integrations.OutboxEvent": _APPEND_ONLY,
    "integrations.DeliveryReplay": _APPEND_ONLY,
    "integrations.DeliverySkip": _APPEND_ONLY,
    "integrations.DeliveryRepeat": _APPEND_ONLY,
    "integrations.EncryptionKey": _APPEND_ONLY,
    "integrations.DecryptionRecord": _APPEND_ONLY,
    "integrations.Delivery": _OF_WORKERS,
    "integrations.DeliveryAttempt": _OF_WORKERS,
    "integrations.Heartbeat": _OF_WORKERS,
    "auth.Permission": "Written by `migrate` only.",
    "auth.Group_permissions": _THROUGH,
    "auth.User_groups": _THROUGH,
    "auth.User_user_permissions": _THROUGH,
    "admin.LogEntry": "The admin's own history; ours says more and cannot be changed.",
    "auditlog.LogEntry": _APPEND_ONLY,
    "contenttypes.ContentType": "Written by `migrate` only.",
    "sessions.Session": "Sealed state of a browser; signing in and out are AuditRecords.",
    "axes.AccessAttempt": _OF_AXES,
    "axes.AccessAttemptExpiration": _OF_AXES,
    "axes.AccessFailureLog": _OF_AXES,
    "axes.AccessLog": _OF_AXES,
    "django_q.Task": _OF_DJANGO_Q,
    "django_q.Success": _OF_DJANGO_Q,
    "django_q.Failure": _OF_DJANGO_Q,
    "django_q.Schedule": _OF_DJANGO_Q,
    "django_q.OrmQ": _OF_DJANGO_Q,
}


def register() -> None:
    """Let auditlog watch them; once, however often it is called."""
    for label, how in WATCHED.items():
        model = apps.get_model(label)
        if auditlog.contains(model):
            continue
        auditlog.register(
            model,
            include_fields=list(how.only),
            exclude_fields=list(how.never),
            mask_fields=list(how.masked),
            mask_callable=MASK,
            m2m_fields=set(how.many),
        )
        _save_in_a_transaction(model)


def _save_in_a_transaction(model: type[models.Model]) -> None:
    save_base: Any = model.save_base

    @wraps(save_base)
    def together(self: models.Model, *args: Any, using: str | None = None, **more: Any) -> None:
        using = using or router.db_for_write(model, instance=self)
        # No savepoint: an error inside somebody's transaction undoes that one, as it did before.
        with transaction.atomic(using=using, savepoint=False):
            save_base(self, *args, using=using, **more)

    model.save_base = together  # type: ignore[method-assign]
