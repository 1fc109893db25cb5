"""The provider's names of one payment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderIds:
    """The provider's ids of one payment; empty string where not (yet) known."""

    page_id: str = ""
    intent_id: str = ""
