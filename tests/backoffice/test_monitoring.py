"""The monitoring page: what each role sees of it; charts that fit the policy, with their tables."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from payments.backoffice import charts
from payments.backoffice.charts import Chart, Series
from payments.models import PeriodFigures
from payments.models.period import Length
from payments.monitoring import period_figures
from payments.roles import Role
from tests.staff import make_staff, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/admin/monitoring/"
ORDERS = {"success", "approvals", "declines"}
MESSAGES = {"age", "arrival", "processing", "backlog", "deliveries"}


@pytest.fixture(autouse=True)
def figures() -> None:
    start = period_figures.start_of(Length.HOUR, timezone.now())
    for back, made in ((0, 8), (2, 4)):
        PeriodFigures.objects.create(
            length=Length.HOUR,
            starts_at=start - timedelta(hours=back),
            computed_at=timezone.now(),
            figures={
                "attempts": {
                    "stripe": {"opened": 5, "paid": 3, "unpaid": 1},
                    "pay<pal": {"opened": 1, "paid": 0, "unpaid": 0},
                },
                "tries": {"stripe": {"made": made, "declined": 1}},
                "declines": {"insufficient_funds": 2, "<script>": 1},
                "events": {"stripe": {"received": 3, "arrival_p50_ms": 900, "arrival_p95_ms": 61_000}},
                "deliveries": {"crm": {"delivered": 4, "failed": 1}},
                "backlog": {"events": 2, "events_oldest_seconds": 90, "deliveries": 0, "deliveries_oldest_seconds": 0},
            },
        )


def page_of(*roles: Role, query: str = "") -> str:
    answer = sign_in(Client(), make_staff(*roles)).get(PAGE + query)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(page: str) -> set[str]:
    return set(re.findall(r'<title id="([a-z]+)-title">', page)) | set(re.findall(r'<p class="nothing">', page)) - {
        '<p class="nothing">'
    }


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.SUPPORT, ORDERS | MESSAGES),
        (Role.LEAD, ORDERS | MESSAGES),
        (Role.FINANCE, ORDERS),
        (Role.INTEGRATIONS, ORDERS | MESSAGES),
        (Role.AUDITOR, ORDERS | MESSAGES),
        (Role.ADMIN, ORDERS),
    ],
)
def test_each_role_sees_the_charts_of_its_areas(role: Role, expected: set[str]) -> None:
    assert shown(page_of(role)) == expected - {"processing"}, "there is nothing to draw of processing"


def test_nobody_without_a_role_sees_it() -> None:
    assert Client().get(PAGE).status_code == 302
    assert sign_in(Client(), make_staff()).get(PAGE).status_code == 302


def test_it_changes_nothing() -> None:
    assert sign_in(Client(), make_staff(Role.LEAD)).post(PAGE).status_code == 405


def test_the_charts_fit_the_policy_and_escape_what_comes_from_outside() -> None:
    page = page_of(Role.LEAD)
    main = page[page.index('id="content-main"') :]
    assert not re.search(r"\sstyle=|<style|<script|\son[a-z]+=", main)
    assert "pay&lt;pal" in main
    assert "&lt;script&gt;" in main


def test_each_chart_stands_beside_its_figures() -> None:
    page = page_of(Role.LEAD)
    figures = re.findall(r'<figure class="chart-figure">.*?</figure>', page, flags=re.DOTALL)
    drawn = [figure for figure in figures if '<svg class="chart"' in figure]
    assert len(drawn) == 7
    assert all("<table>" in figure and "<desc" in figure for figure in drawn)
    assert "<td>87%</td>" in page, "7 of 8 tries approved"
    assert "<td>75%</td>" in page, "3 of 4 ended attempts paid"
    assert "stripe, 95% within: 61000 ms at" in page


def test_thirty_days_are_another_page() -> None:
    page = page_of(Role.LEAD, query="?over=days")
    assert "day (UTC)" not in page, "nothing was computed for days"
    assert 'href="?over=days" aria-current="page"' in page
    assert page_of(Role.LEAD, query="?over=<x>").count('aria-current="page"') == 1


class TestCharts:
    def chart(self, *values: int | None, unit: str = "", bars: bool = False) -> Chart:
        labels = [f"{number}:00" for number in range(len(values))]
        return Chart(
            key="k",
            title="T",
            explanation="",
            labels=labels,
            series=[Series(name="a", values=values)],
            unit=unit,
            bars=bars,
        )

    def test_a_gap_breaks_the_line_and_a_lone_value_is_a_dot(self) -> None:
        svg = self.chart(0, 2, None, 2, None, 4, 4).svg
        [path] = re.findall(r'<path d="([^"]+)"', svg)
        assert re.sub(r"[0-9 ]+", "", path) == "MLMML"
        assert svg.count("<circle") == 1

    def test_values_keep_within_the_picture(self) -> None:
        svg = self.chart(0, 400_000, 1_000_000).svg
        [path] = re.findall(r'<path d="([^"]+)"', svg)
        points = [tuple(map(int, point.split())) for point in re.split("[ML]", path) if point.strip()]
        assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in points)
        assert points[0][1] > points[1][1] > points[2][1]

    @pytest.mark.parametrize(("value", "top"), [(0, 2), (1, 2), (3, 4), (5, 10), (10, 10), (11, 20), (401, 1000)])
    def test_the_axis_ends_at_a_round_number(self, value: int, top: int) -> None:
        assert charts._round_up(value) == top

    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (250, " ms", "250 ms"),
            (1500, " ms", "1.5 s"),
            (60_000, " ms", "60 s"),
            (3_600_000, " ms", "60 min"),
            (90, " s", "90 s"),
            (1200, " s", "20 min"),
            (72_000, " s", "20 h"),
            (12_500, "", "12.5k"),
            (100, "%", "100%"),
        ],
    )
    def test_an_axis_is_told_shortly(self, value: int, unit: str, text: str) -> None:
        assert charts._short(value, unit) == text

    def test_bars_are_as_long_as_their_share(self) -> None:
        svg = self.chart(10, 5, 0, bars=True).svg
        full, half, none = (int(width) for width in re.findall(r'<rect [^>]*width="([0-9]+)"', svg))
        assert abs(full - 2 * half) <= 1
        assert none == 2

    def test_whoever_does_not_see_it_hears_the_highest_and_the_latest(self) -> None:
        assert self.chart(1, 9, 4, None, unit="%").summary == "a: 4% at 2:00, highest 9% at 1:00."
        assert self.chart(None, None).has_values is False
