"""What the provider lists over a stretch of time: payments, refunds and events, page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from integrations.contract import InvalidRequest, ListedStatus, Page, UnknownObject
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop
from tests.conformance.stand import Stand

Item = TypeVar("Item")
MOST_PAGES = 50


def all_of(ask: Callable[[str], Page[Item]]) -> tuple[list[Item], int]:
    """Return all items of a list, and how many pages it took. A page without items may have a next one."""
    found: list[Item] = []
    cursor = ""
    for pages in range(1, MOST_PAGES):
        page = ask(cursor)
        found += page.items
        cursor = page.cursor
        if not cursor:
            return found, pages
    raise AssertionError("the list does not end")


def window() -> tuple[datetime, datetime]:
    """The stretch of time in which this test's objects are made."""
    moment = datetime.now(UTC)
    return moment - timedelta(minutes=5), moment + timedelta(minutes=5)


@pytest.mark.needs(Feature.PAYMENT_LISTS)
def test_a_payment_stands_in_the_list_as_in_a_look(shop: Shop) -> None:
    payment, capture = shop.paid()
    since, until = window()
    listed, _ = all_of(lambda cursor: shop.provider.list_captures(since=since, until=until, cursor=cursor))
    [line] = [line for line in listed if line.capture_id == capture.capture_id]
    assert line.status is ListedStatus.CAPTURED
    assert (line.amount_minor, line.currency) == (capture.amount_minor, capture.currency)
    assert line.captured_at == capture.captured_at
    assert line.fee_minor == capture.fee_minor
    assert line.account == shop.provider.account()
    assert line.mode == shop.provider.mode
    assert line.refunded_minor == 0
    if line.reference:
        assert line.reference == payment.request.reference
    else:
        assert line.ids.page_id or line.ids.intent_id, "neither reference nor id: nobody knows whose it is"
    assert shop.provider.find_capture(capture.capture_id) == line


@pytest.mark.needs(Feature.PAYMENT_LISTS)
def test_what_went_back_stands_in_both_lists(shop: Shop) -> None:
    payment, capture = shop.paid()
    made = shop.refund(payment, capture, 1000)
    assert shop.provider.find_capture(capture.capture_id).refunded_minor == 1000
    since, until = window()
    listed, _ = all_of(lambda cursor: shop.provider.list_refunds(since=since, until=until, cursor=cursor))
    [line] = [line for line in listed if line.refund_id == made.refund_id]
    assert (line.capture_id, line.amount_minor, line.currency) == (capture.capture_id, 1000, capture.currency)
    assert line.status == made.status
    assert line.reference in ("", made.reference)
    assert line.account == shop.provider.account()


@pytest.mark.needs(Feature.PAYMENT_LISTS)
def test_only_what_was_made_then_is_listed(shop: Shop) -> None:
    _, capture = shop.paid()
    line = shop.provider.find_capture(capture.capture_id)
    before = line.listed_at - timedelta(hours=2), line.listed_at - timedelta(hours=1)
    after = line.listed_at + timedelta(hours=1), line.listed_at + timedelta(hours=2)
    assert capture.capture_id not in captures_of(shop, *before)
    assert capture.capture_id not in captures_of(shop, *after)
    assert capture.capture_id in captures_of(shop, *window())


def captures_of(shop: Shop, since: datetime, until: datetime) -> set[str]:
    listed, _ = all_of(lambda cursor: shop.provider.list_captures(since=since, until=until, cursor=cursor))
    return {line.capture_id for line in listed}


@pytest.mark.slow
@pytest.mark.needs(Feature.PAYMENT_LISTS)
def test_more_than_one_page_of_payments_each_once_and_newest_first(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    stand.capture_many(payment, count=stand.page_size + 3)
    since, until = window()
    listed, pages = all_of(lambda cursor: shop.provider.list_captures(since=since, until=until, cursor=cursor))
    ids = [line.capture_id for line in listed]
    assert pages > 1
    assert len(ids) == len(set(ids)) > stand.page_size + 3
    assert capture.capture_id in ids
    moments = [line.listed_at for line in listed]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.slow
@pytest.mark.needs(Feature.PAYMENT_LISTS, Feature.REFUND_AT_PROVIDER)
def test_more_than_one_page_of_refunds_each_once(shop: Shop, stand: Stand) -> None:
    payment, _ = shop.paid()
    made = {stand.refund(payment, amount_minor=1) for _ in range(stand.page_size + 3)}
    since, until = window()
    listed, pages = all_of(lambda cursor: shop.provider.list_refunds(since=since, until=until, cursor=cursor))
    ids = [line.refund_id for line in listed]
    assert pages > 1
    assert len(ids) == len(set(ids))
    assert made <= set(ids)


@pytest.mark.needs(Feature.PAYMENT_LISTS, Feature.LIST_LAG)
def test_what_a_list_does_not_tell_yet_is_found_by_its_id(shop: Shop, stand: Stand) -> None:
    stand.lag(seconds=3600)
    _, capture = shop.paid()
    since, until = window()
    listed, _ = all_of(lambda cursor: shop.provider.list_captures(since=since, until=until, cursor=cursor))
    assert capture.capture_id not in {line.capture_id for line in listed}
    assert shop.provider.find_capture(capture.capture_id).capture_id == capture.capture_id


@pytest.mark.needs(Feature.PAYMENT_LISTS)
def test_a_capture_nobody_knows(shop: Shop) -> None:
    _, capture = shop.paid()
    with pytest.raises(UnknownObject):
        shop.provider.find_capture(capture.capture_id[:-6] + "nobody")
    for hostile in ("../refunds", "x?y=1", ""):
        with pytest.raises(InvalidRequest):
            shop.provider.find_capture(hostile)


@pytest.mark.needs(Feature.EVENT_LIST, Feature.NOTIFICATIONS)
def test_events_that_no_webhook_brought_are_the_ones_it_would_have_brought(shop: Shop, stand: Stand) -> None:
    stand.notifications()
    payment, _ = shop.paid()
    sent = {note.event_id: note for note in map(shop.proved, stand.notifications())}
    assert sent
    since, _ = window()  # once: a cursor belongs to the very question it answered
    listed, _ = all_of(lambda cursor: shop.provider.list_events(since=since, cursor=cursor))
    told = {event.notification.event_id: event.notification for event in listed}
    for event_id, note in sent.items():
        again = told[event_id]
        assert (again.type, again.ids, again.relevant) == (note.type, note.ids, note.relevant)
        assert again.created_at == note.created_at
    assert any(payment.ids.page_id == note.ids.page_id or payment.ids.intent_id == note.ids.intent_id
               for note in sent.values())  # fmt: skip


@pytest.mark.needs(Feature.EVENT_LIST, Feature.NOTIFICATIONS)
def test_events_of_one_type_only(shop: Shop, stand: Stand) -> None:
    stand.notifications()
    shop.paid()
    note = next(note for note in map(shop.proved, stand.notifications()) if note.relevant)
    asked, (since, _) = (note.type,), window()
    listed, _ = all_of(lambda cursor: shop.provider.list_events(since=since, cursor=cursor, types=asked))
    assert note.event_id in {event.notification.event_id for event in listed}
    assert {event.notification.type for event in listed} == {note.type}
