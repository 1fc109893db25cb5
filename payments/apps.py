"""Django application: what moves money."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate

STAFF_OPERATIONS = (
    "payments.case_work",
    "payments.corrections",
    "payments.payloads",
    "payments.revealing",
)
"""The modules whose kinds of dangerous acts register themselves (payments/staff_operations.py)."""


def _grant(*, using: str, **_: Any) -> None:
    from payments.grants import grant_application_role

    grant_application_role(using=using, role=settings.DATABASES["default"]["USER"])


class PaymentsConfig(AppConfig):
    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from payments import audit, audited, checks  # noqa: F401  checks register themselves
        from payments.backoffice import sessions

        for module in STAFF_OPERATIONS:
            import_module(module)
        audit.connect()
        audited.register()
        sessions.connect()

        # All migrations of a run are done before the first post_migrate signal is sent.
        post_migrate.connect(_grant, sender=self, dispatch_uid="payments.grant_application_role")
