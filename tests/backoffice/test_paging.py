"""Lists paged by key: every row once, in both directions, with filters and search; no count; bounded in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments.backoffice import paging
from payments.backoffice.paging import NEWER, OLDER, Position, page_of, position_of
from payments.models import ProviderEvent
from payments.roles import Role
from payments.states import EventState
from tests.staff import make_staff, sign_in

pytestmark = pytest.mark.django_db

INBOX = "/admin/payments/providerevent/"


@pytest.fixture
def events(now: datetime) -> Callable[..., list[ProviderEvent]]:
    def make(count: int, **fields: Any) -> list[ProviderEvent]:
        first = ProviderEvent.objects.count()
        return ProviderEvent.objects.bulk_create(
            ProviderEvent(
                **{
                    "provider": "stripe",
                    "event_id": f"evt_{number}",
                    "type": "charge.succeeded",
                    "mode": "test",
                    "state": EventState.PROCESSED,
                    "provider_created_at": now,
                    "received_at": now,
                    "body_sealed": b"sealed",
                    "body_sha256": "",
                    **fields,
                }
            )
            for number in range(first, first + count)
        )

    return make


@pytest.fixture
def staff(client: Client) -> Client:
    sign_in(client, make_staff(Role.INTEGRATIONS))
    return client


def shown(page: paging.Page) -> list[int]:
    return [row.pk for row in page.rows]


def test_walking_down_and_up_meets_every_row_once(events: Callable[..., list[ProviderEvent]]) -> None:
    keys = sorted((event.pk for event in events(23)), reverse=True)
    rows = ProviderEvent.objects.all()
    down, position = [], None
    while True:
        page = page_of(rows, position, size=5)
        down.append(shown(page))
        if page.older is None:
            break
        position = page.older
    assert [key for part in down for key in part] == keys
    assert [len(part) for part in down] == [5, 5, 5, 5, 3]
    up = [shown(page)]
    while page.newer is not None:
        page = page_of(rows, page.newer, size=5)
        up.insert(0, shown(page))
    assert up[0] == keys[:5], "less than a page that is newer is shown as the first page"
    assert {key for part in up for key in part} == set(keys)


def test_from_the_oldest(events: Callable[..., list[ProviderEvent]]) -> None:
    keys = sorted((event.pk for event in events(12)), reverse=True)
    page = page_of(ProviderEvent.objects.all(), Position(NEWER, 0), size=5)
    assert shown(page) == keys[-5:]
    assert page.older is None
    assert page.newer == Position(NEWER, keys[-5])


def test_rows_that_arrive_meanwhile_shift_no_page(events: Callable[..., list[ProviderEvent]]) -> None:
    events(10)
    rows = ProviderEvent.objects.all()
    first = page_of(rows, None, size=5)
    before = shown(page_of(rows, first.older, size=5))
    events(7)
    assert shown(page_of(rows, first.older, size=5)) == before


def test_an_empty_table_and_a_key_beyond_it() -> None:
    rows = ProviderEvent.objects.all()
    assert page_of(rows, None, size=5) == paging.Page(rows=[], newer=None, older=None)
    assert page_of(rows, Position(OLDER, 7), size=5).rows == []
    assert page_of(rows, Position(NEWER, 7), size=5) == paging.Page(rows=[], newer=None, older=None)


@pytest.mark.parametrize(
    "text", ["", "2", "older-", "older--1", "older-1 OR 1=1", "newer-" + "9" * 19, "OLDER-1", "older-²"]
)
def test_what_is_no_position_is_the_first_page(text: str) -> None:
    assert position_of(text) is None


class TestBounded:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every search of the whole table takes too long; a stretch is ten keys."""
        monkeypatch.setattr(paging, "STRETCH", 10)
        monkeypatch.setattr(paging, "PATIENCE_MS", 20)

    @pytest.fixture
    def slow(self) -> Any:
        """Rows whose search takes 3 ms a row looked at, and that none passes but those whose error says so."""
        return ProviderEvent.objects.extra(where=["pg_sleep(0.003) IS NOT NULL", "error = 'rare'"])

    def test_tells_how_far_it_looked_and_goes_on_from_there(
        self, events: Callable[..., list[ProviderEvent]], slow: Any
    ) -> None:
        rare = events(1, error="rare")[0]
        others = events(25)
        page = page_of(slow, None, size=5)
        assert page.rows == []
        assert page.searched_to == others[-1].pk + 1 - 10
        looked = 1
        while not page.rows:
            assert page.older is not None
            page = page_of(slow, page.older, size=5)
            looked += 1
        assert shown(page) == [rare.pk]
        assert looked == 3

    def test_upwards_too(self, events: Callable[..., list[ProviderEvent]], slow: Any) -> None:
        others = events(25)
        rare = events(1, error="rare")[0]
        page = page_of(slow, Position(NEWER, 0), size=5)
        assert (page.rows, page.searched_to) == ([], others[0].pk - 1 + 10)
        while not page.rows:
            assert page.newer is not None
            page = page_of(slow, page.newer, size=5)
        assert shown(page) == [rare.pk]

    def test_leaves_the_connections_time_limit_as_it_was(
        self, events: Callable[..., list[ProviderEvent]], slow: Any
    ) -> None:
        events(25)
        for rows in (slow, ProviderEvent.objects.all()):
            page_of(rows, None, size=5)
            with connection.cursor() as cursor:
                cursor.execute("SHOW statement_timeout")
                assert cursor.fetchone() == ("25s",)


class TestInTheAdmin:
    def test_links_keep_filters_and_search(self, events: Callable[..., list[ProviderEvent]], staff: Client) -> None:
        events(120)
        events(60, state=EventState.DEAD)
        answer = staff.get(INBOX, {"state__exact": "dead"})
        assert answer.context["cl"].older_link.startswith("?p=older-")
        assert "state__exact=dead" in answer.context["cl"].older_link
        second = staff.get(INBOX + answer.context["cl"].older_link)
        assert len(second.context["cl"].result_list) == 10
        assert {row.state for row in second.context["cl"].result_list} == {"dead"}
        assert 'rel="prev"' in second.content.decode()
        assert "p=" not in second.context["cl"].newest_link

    def test_nothing_is_counted_or_read_for_distinct_values(
        self, events: Callable[..., list[ProviderEvent]], staff: Client
    ) -> None:
        events(3)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert staff.get(INBOX).status_code == 200
        on_the_inbox = [query["sql"] for query in queries if "payments_providerevent" in query["sql"]]
        assert on_the_inbox
        assert not [sql for sql in on_the_inbox if "COUNT(" in sql.upper() or "DISTINCT" in sql.upper()]
        assert not [sql for sql in on_the_inbox if "LIMIT" not in sql]
        assert not [sql for sql in on_the_inbox if "body_sealed" in sql]

    @pytest.mark.parametrize("query", ["?o=2", "?all=", "?_facets=True", "?p=x", "?p=older-1&o=-3.1"])
    def test_no_address_sorts_counts_or_shows_all(
        self, query: str, events: Callable[..., list[ProviderEvent]], staff: Client
    ) -> None:
        events(60)
        with CaptureQueriesContext(connection) as queries:
            assert len(staff.get(INBOX + query).context["cl"].result_list) in (0, 50)
        ordered = [query["sql"] for query in queries if "ORDER BY" in query["sql"] and "providerevent" in query["sql"]]
        assert all('ORDER BY "payments_providerevent"."id" DESC' in sql for sql in ordered)
        assert not [query for query in queries if "COUNT(" in query["sql"].upper()]

    @pytest.mark.parametrize(("term", "count"), [("evt_3", 1), (" evt_3 ", 1), ("evt", 0), ("%", 0), ("'", 0)])
    def test_search_is_for_exactly_what_was_typed(
        self, term: str, count: int, events: Callable[..., list[ProviderEvent]], staff: Client
    ) -> None:
        events(5)
        assert len(staff.get(INBOX, {"q": term}).context["cl"].result_list) == count

    def test_a_type_that_is_chosen_stays_among_the_choices(
        self, events: Callable[..., list[ProviderEvent]], staff: Client
    ) -> None:
        events(2)
        answer = staff.get(INBOX, {"type": "charge.<b>rare"})
        assert answer.context["cl"].result_list == []
        assert "charge.&lt;b&gt;rare" in answer.content.decode()
