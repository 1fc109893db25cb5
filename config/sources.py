"""Where each secret of the environment comes from, in words for `doctor`. Names and places only, never a value."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.variables import TABLE

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one secret comes from. `file`: the file it was read from, if any."""

    where: str
    file: Path | None = None

    @property
    def open_to_others(self) -> bool:
        """Whether somebody beside the file's owner may read or write it. An unreadable one is not."""
        try:
            return self.file is not None and bool(self.file.stat().st_mode & OTHERS)
        except OSError:
            return False


def secret_sources(
    environ: Mapping[str, str], *, demo: Mapping[str, str], demo_file: Path, kept: Mapping[str, Path]
) -> dict[str, Source]:
    """Return the source of each secret variable that has a value, by its name.

    `demo`: what the checkout's last demo left; `kept`: the file of each secret made by ourselves, by variable.
    """
    found: dict[str, Source] = {}
    for name in (variable.name for variable in TABLE.values() if variable.secret):
        if file := environ.get(f"{name}_FILE"):
            found[name] = Source(where=f"the file that {name}_FILE names", file=Path(file))
        elif environ.get(name):
            found[name] = Source(where=f"the environment variable {name}")
        elif demo.get(name):
            found[name] = Source(where="made by `make demo` (var/demo/environment.json)", file=demo_file)
        elif name in kept:
            found[name] = Source(where=f"generated here (var/secrets/{kept[name].name})", file=kept[name])
    if "STRIPE_WEBHOOK_SECRETS" in kept and "STRIPE_API_KEY" not in found:
        found["STRIPE_API_KEY"] = Source(where="built in: the local sandbox's, which opens nothing else")
    return found
