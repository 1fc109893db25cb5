"""NMI's transactions over a stretch of time, as lines of the lists of payments and of refunds. It moves no state.

query.php filters by the time of the last change, so a payment of last week that was settled today is listed today.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integrations.contract import (
    InvalidRequest,
    ListedCapture,
    ListedRefund,
    ListedStatus,
    Mode,
    Page,
    ProviderIds,
    UnknownObject,
)
from integrations.providers.nmi import reports, snapshots
from integrations.providers.nmi.client import Client, checked, is_id
from integrations.providers.nmi.reports import Transaction

PAGE_SIZE = 100


def list_captures(
    client: Client, *, since: datetime, until: datetime, cursor: str, account: str, mode: Mode
) -> Page[ListedCapture]:
    """Return one page of sales, declined and unfinished ones too, those that changed last first.

    Of what went back they tell voids only: a refund is a transaction of its own, in the other list.
    """
    found, after = _page(client, since=since, until=until, cursor=cursor, action_type="sale,auth,capture")
    lines = (_capture(each, account=account, mode=mode) for each in found if snapshots.begins(each))
    return Page(items=tuple(lines), cursor=after)


def find_capture(client: Client, capture_id: str, *, account: str, mode: Mode) -> ListedCapture:
    """Return one sale as the list would tell it. Raises UnknownObject."""
    for each in client.transactions(transaction_id=checked(capture_id)):
        if each.transaction_id == capture_id and snapshots.begins(each):
            beside = client.transactions(order_id=each.order_id) if is_id(each.order_id) else ()
            return _capture(each, beside=beside, account=account, mode=mode)
    raise UnknownObject("NMI knows no such transaction under our key", code="transaction")


def list_refunds(client: Client, *, since: datetime, until: datetime, cursor: str, account: str) -> Page[ListedRefund]:
    """Return one page of refunds and voids, whoever made them."""
    found, after = _page(client, since=since, until=until, cursor=cursor, action_type="refund,credit,void")
    return Page(items=tuple(line for each in found for line in _refunds(each, account=account)), cursor=after)


def _page(
    client: Client, *, since: datetime, until: datetime, cursor: str, action_type: str
) -> tuple[tuple[Transaction, ...], str]:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 7):
        raise InvalidRequest("this is no cursor of this list", code="cursor")
    number = int(cursor or 0)
    found = client.transactions(
        start_date=reports.stamp(since),
        end_date=reports.stamp(until),
        action_type=action_type,
        result_order="reverse",
        result_limit=str(PAGE_SIZE),
        page_number=str(number),
    )
    return found, str(number + 1) if len(found) >= PAGE_SIZE else ""


def _capture(
    transaction: Transaction, *, account: str, mode: Mode, beside: Sequence[Transaction] = ()
) -> ListedCapture:
    """`beside`: the transactions of the same order id, for what of it went back by refunds."""
    captured = snapshots.is_captured(transaction)
    taken = snapshots.taking(transaction) if captured else transaction.actions[0]
    others = [each for each in beside if not snapshots.begins(each)]
    given = [told for each in (transaction, *others) for told in snapshots.refunds(each, [transaction])]
    given = [told for told in given if told.capture_id == transaction.transaction_id and told.status != "failed"]
    return ListedCapture(
        capture_id=transaction.transaction_id,
        reference=transaction.order_id,
        ids=ProviderIds(page_id=transaction.order_id, intent_id=transaction.transaction_id),
        account=account,
        mode=mode,
        status=_status(transaction, captured=captured),
        amount_minor=taken.amount_minor,
        currency=transaction.currency,
        listed_at=transaction.changed_at,
        captured_at=taken.at,
        refunded_minor=min(sum(each.amount_minor for each in given), taken.amount_minor),
        status_words=transaction.condition,
    )


def _status(transaction: Transaction, *, captured: bool) -> ListedStatus:
    if captured:
        return ListedStatus.CAPTURED
    if snapshots.is_reserved(transaction):
        return ListedStatus.AUTHORIZED
    if transaction.condition in ("failed", "canceled", "abandoned"):
        return ListedStatus.FAILED
    return ListedStatus.PENDING


def _refunds(transaction: Transaction, *, account: str) -> list[ListedRefund]:
    takers = [transaction] if snapshots.begins(transaction) else []
    return [
        ListedRefund(
            refund_id=told.refund_id,
            capture_id=told.capture_id,
            reference=told.reference,
            ids=ProviderIds(page_id=transaction.order_id, intent_id=told.capture_id),
            account=account,
            status=told.status,
            amount_minor=told.amount_minor,
            currency=told.currency,
            listed_at=transaction.changed_at,
        )
        for told in snapshots.refunds(transaction, takers)
    ]
