"""Django application: the edge."""

from typing import Any

from django.apps import AppConfig


def _beat(*, task: dict[str, Any], **_: Any) -> None:
    """Let whatever task a cluster runs be its proof of life. Never in the way of the task itself."""
    import structlog
    from django.db import Error
    from django.utils import timezone

    from integrations import heartbeat

    try:
        heartbeat.beat(task.get("cluster") or "", now=timezone.now())
    except Error:
        structlog.get_logger(__name__).warning("beat_failed", exc_info=True)


class IntegrationsConfig(AppConfig):
    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_q.signals import pre_execute

        pre_execute.connect(_beat, dispatch_uid="integrations.beat")
