"""The project's settings plus django-migration-linter, which `make check` runs and production does not install."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as _INSTALLED_APPS

INSTALLED_APPS = [*_INSTALLED_APPS, "django_migration_linter"]
