"""How one of our providers is wired into the shop: all that differs outside its adapter, as data.

`integrations/providers/<name>/wiring.py` says it for one, wirings.py lists them. Who starts the process, checks the
settings, keeps keys or proves the set-up reads it here, and names no provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from integrations.contract import Mode, Provider, SettingProblem
from integrations.decryptions import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One integration key of a provider: which setting holds it otherwise, and what forbids a value.

    `setting`: of a list, all members count, each for itself; otherwise the newest. `check` takes the value and returns
    what forbids it here; `mode_of` reads the mode a value says it is of, None where it says none.
    """

    setting: str
    several: bool
    purpose: Purpose
    check: Callable[[str], list[SettingProblem]]
    mode_of: Callable[[str], Mode | None] = lambda _: None


class SignsEvent(Protocol):
    """Makes headers and body of a harmless event as the provider would sign it: `doctor` sends it through our door."""

    def __call__(self, *, secret: str, event_id: str, mode: Mode, now: datetime) -> tuple[dict[str, str], bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One provider. `settings`: the names its adapter is made from; a change of one makes it anew.

    `make` builds the adapter from settings and integration keys; it raises ProviderMisconfigured. `problems` returns
    what forbids the settings as they stand. Of their codes, `mixed_modes` are those by which test and live would mix,
    which stop the start (DESIGN.md, invariant 10); `missing` those that an integration key may mend; `numbers` says
    which system check each of the others is (E001: key and mode, E002: host, E003: webhook secrets, E004: the rest).
    `is_official`: whether the address in the settings is the provider's own for live money. `signed_event`: for
    `doctor`, signed with the integration key `signing_key`; None where nobody but the provider can sign.
    `restrict_key`: where to restrict its key to our outgoing addresses; empty where it offers no such thing.
    """

    name: str
    label: str
    settings: tuple[str, ...]
    keys: Mapping[str, Kind]
    make: Callable[[], Provider]
    problems: Callable[[], list[SettingProblem]]
    is_official: Callable[[], bool]
    mixed_modes: frozenset[str]
    missing: frozenset[str] = frozenset()
    numbers: Mapping[str, str] = field(default_factory=dict)
    signing_key: str = "webhook_secret"
    restrict_key: str = ""
    signed_event: SignsEvent | None = None
