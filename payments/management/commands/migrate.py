"""`migrate` as the owner of the tables, where there is one: the application's role may not create or change them."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections


class Command(DjangoMigrate):
    """Django's own command; only the default of --database differs."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner" if "owner" in connections.settings else "default")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
