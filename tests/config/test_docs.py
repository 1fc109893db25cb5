"""docs/settings.md and .env.example tell what the code reads."""

from __future__ import annotations

import pytest

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
