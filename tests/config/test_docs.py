"""docs/settings.md and .env.example tell what the code reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.utils import timezone

from config import gauges
from config.readers import Reader
from config.variables import TABLE
from tools import settings_page


def test_are_current() -> None:
    assert settings_page.main(["--check"]) == 0, "run python tools/settings_page.py"


def test_the_example_is_readable_line_by_line() -> None:
    lines = settings_page.EXAMPLE.read_text(encoding="utf-8").splitlines()
    names = [line.strip("#=") for line in lines if line.startswith("#") and line.endswith("=")]
    assert names == list(TABLE)
    assert all(not line or line.startswith("#") for line in lines)


def test_a_name_outside_the_table_cannot_be_read() -> None:
    with pytest.raises(KeyError):
        Reader({"NEW_ONE": "1"}).text("NEW_ONE")


def test_every_command_the_pages_name_is_there() -> None:
    named = {
        (page.name, name)
        for page in _pages()
        for name in re.findall(r"manage\.py ([a-z_]+)", page.read_text(encoding="utf-8"))
    }
    known = set(get_commands())
    assert sorted(place for place in named if place[1] not in known) == []


def test_every_link_of_the_pages_leads_to_a_file_and_a_heading_of_it() -> None:
    """Links to pages of the running shop begin with a slash: tests/backoffice/test_runbooks.py opens those."""
    links = [
        (page, link) for page in _pages() for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ]
    inside = [(page, *link.partition("#")[::2]) for page, link in links if not re.match(r"[a-z]+:|/", link)]
    assert len(inside) > 100
    assert [(page.name, file, heading) for page, file, heading in inside if not _leads(page, file, heading)] == []


def _pages() -> Iterator[Path]:
    yield settings_page.ROOT / "README.md"
    yield from (settings_page.ROOT / "docs").rglob("*.md")


def _leads(page: Path, file: str, heading: str) -> bool:
    there = page.parent / file if file else page
    if not heading or not there.is_file():
        return there.exists()
    headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
    return heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_gauge_the_page_names_is_there(db: None) -> None:
    page = (settings_page.ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    there = gauges.exposition(now=timezone.now()).decode()
    assert not [name for name in re.findall(r"shop_[a-z_]+", page) if name not in there and name not in ROLES]


ROLES = {"shop_owner", "shop_app"}
