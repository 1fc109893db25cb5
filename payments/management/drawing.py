"""Diagrams drawn from the code, as Mermaid, into the marked blocks of README and docs. CI fails when one is stale."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from django.apps import apps
from django.db import models

from orders.models import Order
from orders.transitions import edges_of
from payments.models import Dispute, PaymentAttempt, Payout, Refund

OURS = ("orders", "payments", "integrations")
_BLOCK = re.compile(r"(<!-- draw:(?P<name>[a-z-]+) -->\n).*?(<!-- /draw -->)", re.DOTALL)


class UnknownDrawing(Exception):
    """A block names a drawing that does not exist. The message says which there are."""


def redraw(text: str) -> str:
    """Return `text` with each block `<!-- draw:NAME --> … <!-- /draw -->` filled anew. Raises UnknownDrawing."""

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in DRAWINGS:
            raise UnknownDrawing(f"No drawing “{name}”; there are {', '.join(sorted(DRAWINGS))}.")
        return f"{found[1]}```mermaid\n{DRAWINGS[name]()}\n```\n{found[3]}"

    return _BLOCK.sub(block, text)


def stale_files(files: Iterable[Path]) -> list[Path]:
    """Return those whose blocks differ from what the code says now."""
    return [file for file in files if redraw(text := file.read_text()) != text]


def documents(base: Path) -> list[Path]:
    """Return README and the documents that have at least one block."""
    candidates = [base / "README.md", *sorted((base / "docs").rglob("*.md"))]
    return [file for file in candidates if file.exists() and _BLOCK.search(file.read_text())]


def _machine(model: type[models.Model]) -> Callable[[], str]:
    def draw() -> str:
        field = model._meta.get_field("state")
        initial = field.get_default() if isinstance(field, models.Field) else ""
        begins = getattr(model, "BEGINS", (initial,))
        lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in begins)]
        lines += [f"    {edge.source} --> {edge.target}: {edge.event}" for edge in edges_of(model)]
        return "\n".join(lines)

    return draw


def _schema() -> str:
    """Draw our tables and their references; columns stand in the models."""
    lines = ["erDiagram"]
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        if model._meta.app_label not in OURS:
            continue
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey) and field.related_model is not None:
                target = field.remote_field.model
                if target._meta.app_label not in OURS:
                    continue
                many = "o|" if field.one_to_one else "o{"
                one = "|o" if field.null else "||"
                lines.append(f"    {target.__name__} {one}--{many} {model.__name__} : {field.name}")
    return "\n".join(lines)


DRAWINGS: dict[str, Callable[[], str]] = {
    "order": _machine(Order),
    "attempt": _machine(PaymentAttempt),
    "refund": _machine(Refund),
    "payout": _machine(Payout),
    "dispute": _machine(Dispute),
    "schema": _schema,
}
