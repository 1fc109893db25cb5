"""The lists of the scripted provider: what it holds, told newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from integrations.contract import (
    ListedCapture,
    ListedEvent,
    ListedRefund,
    ListedStatus,
    Mode,
    Page,
    ProviderIds,
    UnknownObject,
)

T = TypeVar("T")


class FakeLists:
    """Mixed into FakeProvider. `unlisted`: ids that lists leave out (they lag); `listed_changes`: fields by capture id
    that the list tells otherwise than a look; `extra_captures`, `extra_refunds`, `events`: what is there besides."""

    page_size = 100
    mode: Mode
    payments: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.unlisted: set[str] = set()
        self.listed_changes: dict[str, dict[str, Any]] = {}
        self.extra_captures: list[ListedCapture] = []
        self.extra_refunds: list[ListedRefund] = []
        self.events: list[ListedEvent] = []

    def account(self) -> str:
        raise NotImplementedError

    def _begin(self, verb: str, what: str) -> None:
        raise NotImplementedError

    def find_capture(self, capture_id: str) -> ListedCapture:
        self._begin("find_capture", capture_id)
        for listed in self._all_captures():
            if listed.capture_id == capture_id:
                return listed
        raise UnknownObject("no such capture")

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        self._begin("list_captures", cursor)
        listed = (each for each in self._all_captures() if each.capture_id not in self.unlisted)
        return _page(_between(listed, since, until), cursor, self.page_size)

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        self._begin("list_refunds", cursor)
        listed = (each for each in self._all_refunds() if each.refund_id not in self.unlisted)
        return _page(_between(listed, since, until), cursor, self.page_size)

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        self._begin("list_events", cursor)
        found = [
            event
            for event in self.events
            if event.notification.created_at >= since and (not types or event.notification.type in types)
        ]
        found.sort(key=lambda event: event.notification.created_at, reverse=True)
        return _page(found, cursor, self.page_size)

    def _all_captures(self) -> Iterable[ListedCapture]:
        yield from self.extra_captures
        for payment in self.payments.values():
            for capture in payment.captures:
                told: dict[str, Any] = {
                    "capture_id": capture.capture_id,
                    "reference": payment.overrides.get("reference", payment.request.reference),
                    "ids": ProviderIds(intent_id=payment.intent_id),
                    "account": payment.overrides.get("account", self.account()),
                    "mode": payment.overrides.get("mode", self.mode),
                    "status": ListedStatus.CAPTURED,
                    "amount_minor": capture.amount_minor,
                    "currency": capture.currency,
                    "listed_at": capture.captured_at,
                    "captured_at": capture.captured_at,
                    "fee_minor": capture.fee_minor,
                    "disputed": any(each.capture_id == capture.capture_id for each in payment.disputes),
                    "status_words": "succeeded",
                }
                yield ListedCapture(**{**told, **self.listed_changes.get(capture.capture_id, {})})

    def _all_refunds(self) -> Iterable[ListedRefund]:
        yield from self.extra_refunds
        for payment in self.payments.values():
            taken = {capture.capture_id: capture.captured_at for capture in payment.captures}
            for refund in payment.refunds:
                yield ListedRefund(
                    refund_id=refund.refund_id,
                    capture_id=refund.capture_id,
                    reference=refund.reference,
                    ids=ProviderIds(intent_id=payment.intent_id),
                    account=payment.overrides.get("account", self.account()),
                    status=refund.status,
                    amount_minor=refund.amount_minor,
                    currency=refund.currency,
                    listed_at=refund.created_at or taken[refund.capture_id],
                )


def _between(listed: Iterable[Any], since: datetime, until: datetime) -> list[Any]:
    found = [each for each in listed if since <= each.listed_at <= until]
    return sorted(found, key=lambda each: each.listed_at, reverse=True)


def _page(found: Sequence[T], cursor: str, size: int) -> Page[T]:
    begin = int(cursor or 0)
    end = begin + size
    return Page(items=tuple(found[begin:end]), cursor=str(end) if end < len(found) else "")
