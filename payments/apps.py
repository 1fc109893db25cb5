"""Django application: what moves money."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models.signals import post_migrate

STAFF_OPERATIONS = (
    "payments.bank.acts",
    "payments.cases.acts",
    "payments.corrections",
    "payments.refunds.acts",
    "payments.people.acts",
    "payments.people.token_acts",
    "payments.dead_letter_acts",
    "payments.disputes.acts",
    "payments.key_acts",
    "payments.pausing",
    "payments.receiver_acts",
    "payments.payloads",
    "payments.revealing",
    "payments.ledger.period_acts",
)
"""The modules whose kinds of dangerous acts register themselves (payments/staff_operations.py)."""


def _grant(*, using: str, **_: Any) -> None:
    from payments.grants import grant_application_role

    grant_application_role(using=using, role=settings.DATABASES["default"]["USER"])


def _make_groups(*, using: str, **_: Any) -> None:
    from payments.people.role_groups import create_missing

    create_missing(using=using)


class PaymentsConfig(AppConfig):
    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from payments import checks  # noqa: F401  checks register themselves
        from payments.audit import audited
        from payments.audit import recording as audit
        from payments.backoffice import sessions

        for module in STAFF_OPERATIONS:
            import_module(module)
        audit.connect()
        audited.register()
        sessions.connect()

        # All migrations of a run are done before the first post_migrate signal is sent.
        post_migrate.connect(_grant, sender=self, dispatch_uid="payments.grant_application_role")
        # django.contrib.auth comes after us, and by then our permissions are made.
        auth = apps.get_app_config("auth")
        post_migrate.connect(_make_groups, sender=auth, dispatch_uid="payments.make_groups")
