"""Secrets that demo and tests make for themselves: random, kept in var/secrets/, readable to us alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def kept_secret(directory: Path, name: str, make: Callable[[], str]) -> str:
    """Return the secret kept as `name`, making it first if there is none; of several processes, one makes it.

    Raises OSError where the directory cannot be written or read.
    """
    file = directory / name
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = directory / f".{name}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.write(make())
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was first; its secret counts
    finally:
        draft.unlink()
    return file.read_text(encoding="ascii")
