"""Django application: what moves money."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


def _grant(*, using: str, **_: Any) -> None:
    from payments.grants import grant_application_role

    grant_application_role(using=using, role=settings.DATABASES["default"]["USER"])


class PaymentsConfig(AppConfig):
    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from payments import audit, checks  # noqa: F401  checks register themselves

        audit.connect()

        # All migrations of a run are done before the first post_migrate signal is sent.
        post_migrate.connect(_grant, sender=self, dispatch_uid="payments.grant_application_role")
