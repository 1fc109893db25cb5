"""`draw_states [--check]`: the diagrams of README and docs, drawn from the code."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from payments.management import drawing

FINDINGS = 3


class Command(BaseCommand):
    help = "Draw state machines and schema into the marked blocks of README.md and docs/. --check only compares."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; exit 3 if a drawing is stale")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        files = drawing.documents(settings.BASE_DIR)
        stale = drawing.stale_files(files)
        for file in stale:
            if check:
                self.stderr.write(f"{file.relative_to(settings.BASE_DIR)} is stale: run `manage.py draw_states`")
            else:
                file.write_text(drawing.redraw(file.read_text()))
        self.stdout.write(f"{len(files)} files with drawings, {len(stale)} {'stale' if check else 'redrawn'}")
        if check and stale:
            raise SystemExit(FINDINGS)
