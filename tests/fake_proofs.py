"""How the fake provider's webhooks are proved: at once, or by a worker that asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.contract import Notification, NotificationRejected, NotificationUnverified, Unavailable


class FakeProofs:
    """Mixed into FakeProvider. The header `Signature` is `good`, `later` or `forged-later` (a worker must ask), or
    wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.proof_is_away = False
        self.proved_with: list[tuple[dict[str, str], datetime]] = []

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        signature = headers.get("Signature")
        if signature not in ("good", "later", "forged-later"):
            raise NotificationRejected("bad signature")
        told = self.notification(**json.loads(body))
        if signature != "good":
            raise NotificationUnverified("the certificate is not here", told)
        return told

    def prove(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        self.proved_with.append((dict(headers), now))
        if self.proof_is_away:
            raise Unavailable("the certificate cannot be had")
        if headers.get("signature") != "later":
            raise NotificationRejected("no signature by this certificate")
        return self.notification(**json.loads(body))

    def notification(self, event_id: str, type: str = "", **changes: Any) -> Notification:
        raise NotImplementedError
