"""Django application: the wiring. It owns the shared cache's table, the sign-in lines of the log and no rules."""

from __future__ import annotations

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from config import signing_in

        signing_in.connect()
