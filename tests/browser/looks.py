"""What holds for every page that anybody sees: accessible, within its width, one heading."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

# WCAG 2.2 AA, and the landmarks and headings of axe's best practices.
AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # what is well needs no list of its places
}
OF_THE_LOOK = {
    **AXE,
    "runOnly": {
        "type": "rule",
        "values": ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"],
    },
}
"""What colours and widths can make wrong; all else is the same page as in the first look."""
NARROW: ViewportSize = {"width": 390, "height": 844}
WIDE: ViewportSize = {"width": 1280, "height": 900}
PICTURES = os.environ.get("SCREENSHOTS")
"""A directory that gets a picture of each page the tests look at, at both widths."""


def check_looks(page: Page, *, rules: dict[str, Any] = AXE) -> None:
    """No finding of axe, no sideways scroll, one heading of the first level."""
    check_width(page)
    found = Axe().run(page, options=rules)
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
    assert page.locator("h1").count() == 1


def check_width(page: Page) -> None:
    """No sideways scroll."""
    page.wait_for_load_state()  # a click returns before the next page has its style
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url


def check_both_looks(page: Page, name: str) -> None:
    """Look at a page on a telephone, and whether it fits on a desk. `name`: what its pictures are called.

    One run of axe: test_shop_pages.py has it at both widths, in both colour schemes, on every state.
    """
    page.set_viewport_size(NARROW)
    check_looks(page)
    take_picture(page, f"{name}-{NARROW['width']}")
    page.set_viewport_size(WIDE)
    check_width(page)
    take_picture(page, f"{name}-{WIDE['width']}")


def take_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page where somebody wants to look at it."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png", full_page=True)
