"""A shopper who does not give up: presses again what did not answer, as people do, and notes every status seen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import TypeVar

from integrations.sandbox.browser import Browser, Page, Surprise
from integrations.sandbox.shopper import EXPIRY, GOOD_CARD, SECURITY_CODE
from tests.faults.world import World

T = TypeVar("T")

DECLINED_CARD = "4000000000009995"
SECURE_CARD = "4000002760003184"
FLOWS = ("card", "declined", "debit", "secure")
PATIENCE_SECONDS = 40
_PAUSE_SECONDS = 0.2
_PAY = re.compile(r"/pay/([A-Za-z0-9_-]+)/$")


class Visitor:
    """One visitor of the world's shop, with one e-mail address and one order."""

    def __init__(self, world: World, *, email: str) -> None:
        self.world, self.email = world, email
        self.browser = Browser(timeout_seconds=40)
        self.silences = 0

    def place(self, *, sku: str = "MUG-01") -> str:
        """Fill a basket and check out; return the order's token."""
        shop = self.world.shop
        products = self._insist(lambda: self.browser.get(f"{shop}/"))
        self._insist(lambda: self.browser.submit(products.form("/basket/add/", sku=sku)))

        def check_out() -> str:
            page = self.browser.get(f"{shop}/checkout/")
            if page.status == 200:
                page = self.browser.submit(page.form("/checkout/"), {"email": self.email})
            found = _PAY.search(page.location)
            return found[1] if found else ""

        return self._until(check_out)

    def open_page(self, token: str) -> Page:
        """Press *Pay* until the provider's page is there."""

        page = self._until(lambda: self._press(token))
        assert page is not None
        return page

    def press_once(self, token: str) -> Page | None:
        """Press *Pay*; return the provider's page, or None where nobody answers."""
        try:
            return self._press(token)
        except Surprise as surprise:
            if not _is_silence(surprise):
                raise
            return None

    def pay(self, page: Page, flow: str) -> Page:
        """Pay on the provider's page in one of FLOWS; return its redirect to the shop."""
        if flow == "debit":
            return self.browser.submit(page.form(method="debit")).expect(303)
        if flow == "declined":
            page = self._type_card(page, DECLINED_CARD).expect(402)
        if flow == "secure":
            challenge = self.browser.hop(self._type_card(page, SECURE_CARD).expect(303)).expect(200)
            return self.browser.submit(challenge.forms[0], button=("outcome", "complete")).expect(303)
        return self._type_card(page, GOOD_CARD).expect(303)

    def come_back(self, page: Page) -> Page:
        """Follow the redirect to the shop's return page, and on to the order's."""
        return self._insist(lambda: self.browser.follow(page)).expect(200)

    def state(self, token: str) -> str:
        """Return the key of the order's page."""
        page = self._insist(lambda: self.browser.get(f"{self.world.shop}/orders/{token}/status.json"))
        found = re.search(r'"state": *"([a-z_]+)"', page.html)
        assert found is not None, page.html
        return found[1]

    def bad_statuses(self) -> list[tuple[str, str, int]]:
        """Return the answers of the shop that nobody should ever see: 5xx, but for 503."""
        return [step for step in self.browser.trail if step[2] >= 500 and step[2] != 503]

    def let_time_pass(self, token: str) -> None:
        """Wait as long as the shop wants."""
        self.world.let_time_pass(self.world.value("SELECT id FROM orders_order WHERE token = %s", token))

    def _press(self, token: str) -> Page | None:
        page = self.browser.follow(self.browser.get(f"{self.world.shop}/pay/{token}/")).expect(200)
        forms = [form for form in page.forms if form.url.endswith(f"/pay/{token}/")]
        if not forms:  # we are told to wait until the shop has looked
            self.let_time_pass(token)
            return None
        pressed = self.browser.submit(forms[0])
        return self.browser.get(pressed.location) if pressed.location.startswith(self.world.sandbox) else None

    def _type_card(self, page: Page, number: str) -> Page:
        form = page.form(method="card")
        return self.browser.submit(form, {"number": number, "expiry": EXPIRY, "cvc": SECURITY_CODE})

    def _insist(self, step: Callable[[], Page]) -> Page:
        """Take a step again while nobody answers, or the shop says that it cannot just now."""

        def once() -> Page | None:
            page = step()
            return None if page.status == 503 else page

        page = self._until(once)
        assert page is not None
        return page

    def _until(self, step: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.world.tend()
            try:
                if found := step():
                    return found
            except Surprise as surprise:
                if not _is_silence(surprise):
                    raise
                self.silences += 1
            assert time.monotonic() < deadline, f"{self.email} gave up; the trail: {self.browser.trail[-6:]}"
            time.sleep(_PAUSE_SECONDS)
            self.world.bury()


def _is_silence(surprise: Surprise) -> bool:
    """Say whether nobody answered, or the shop said that it cannot just now."""
    return isinstance(surprise.__cause__, OSError | HTTPException) or "(503" in str(surprise)
