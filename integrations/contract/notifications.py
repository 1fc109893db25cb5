"""A webhook, proved and reduced to a hint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrations.contract.payments import Mode, ProviderIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A verified webhook, reduced to a hint: which of our payments to look at again.

    `object_ids` are the provider's ids the event speaks of, most specific first; `relevant` is False for event types
    that can never change a payment; `of_payouts` is True for those that speak of a payout, which are mirrored then;
    `events_lost` for the provider's notice that it failed to make events: its lists must be read now.
    `account` is empty where the event names none (it is then our own account's).
    """

    provider: str
    event_id: str
    type: str
    mode: Mode
    account: str
    created_at: datetime
    object_ids: tuple[str, ...]
    ids: ProviderIds
    reference: str
    relevant: bool
    of_payouts: bool = False
    events_lost: bool = False
    api_version: str = ""


class NotificationRejected(Exception):
    """A webhook that is malformed or not proved; answer 400 and store nothing."""


class NotificationUnverified(Exception):
    """The proof itself could not be checked now (certificate host away); store as `unverified` and prove later."""

    def __init__(self, message: str, notification: Notification) -> None:
        super().__init__(message)
        self.notification = notification
