"""The project's own Python files, parsed once, for the tests that read code instead of running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "integrations", "orders", "payments")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name from the repository's root, its text, its tree."""

    name: str
    text: str
    tree: ast.Module

    def at(self, node: ast.expr | ast.stmt, what: str) -> str:
        """Say where something stands, as an editor can jump to it."""
        return f"{self.name}:{node.lineno}: {what}"


@cache
def sources() -> tuple[Source, ...]:
    """Return every module of the packages, migrations included."""
    return tuple(_parse(path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def _parse(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


def parse(text: str, name: str = "orders/planted.py") -> Source:
    """Return a made-up file, by which a rule's own test sees the rule find something."""
    return Source(name, text, ast.parse(text))


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for such an expression, and an empty string for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def imported(source: Source) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each module, and each name of a module, that the file imports, fully spelt."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)
