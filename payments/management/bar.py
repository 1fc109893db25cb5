"""A progress bar on stderr, for a person at a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Show = Callable[[str, float], None]
"""What is being done, and which part of it (0 to 1) is."""


@contextmanager
def bar() -> Iterator[Show]:
    """Show progress while the block runs."""
    if not sys.stderr.isatty():
        yield lambda _what, _part: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1)

        def show(what: str, part: float) -> None:
            progress.update(task, description=what.replace("[", "\\["), completed=part)

        yield show
