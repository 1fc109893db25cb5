"""A visitor who pays at any provider, on its page or in its frame on ours, and pays again where the shop says so.

What they do after a silence is what the shop's pages offer then: the next press of *Pay*, or waiting.
"""

from __future__ import annotations

from integrations.sandbox.browser import Page
from integrations.sandbox.shopper import Shopper
from integrations.sandbox.square_control import SquareControl
from payments.management.demo.stand_ins import STAND_INS
from tests.faults import histories
from tests.faults.histories import History
from tests.faults.visitor import Visitor
from tests.faults.world import World


class Buyer(Visitor):
    """One visitor of the world's shop who pays at the world's present provider."""

    def __init__(self, world: World, *, email: str) -> None:
        super().__init__(world, email=email)
        self._shopper = Shopper(world.shop)
        self._shopper.browser = self.browser

    def buy(self, token: str, *, returns: bool = True) -> None:
        """Pay until it is done, as far as a shopper can tell. `returns`: they come back from the provider's page."""

        def once() -> bool:
            page = self._press(token)
            if page is None:
                if self.state(token) == "paid":
                    return True
                self.let_time_pass(token)
                return False
            paid = self._hand_over(page)
            if returns:
                self.come_back(paid)
            return True

        self._until(once)

    def _press(self, token: str) -> Page | None:
        """Press *Pay*; return the page on which one pays now, or None where the shop offers none."""
        pay_page = f"{self.world.shop}/pay/{token}/"
        page = self.browser.follow(self.browser.get(pay_page)).expect(200)
        forms = [form for form in page.forms if form.url == pay_page]
        if not forms:
            return None
        chosen = {"provider": self.world.provider} if "provider" in forms[0].fields else {}
        page = self.browser.follow(self.browser.submit(forms[0], chosen))
        own_form = f"{pay_page}{self.world.provider}/"
        return page.expect(200) if page.url == own_form or page.url.startswith(f"{self.world.sandbox}/") else None

    def _hand_over(self, page: Page) -> Page:
        """Pay on this page; return the redirect to the shop."""
        control = self.world.control
        if isinstance(control, SquareControl) and page.url.startswith(self.world.shop):
            form = page.form(**dict.fromkeys(("token", "proof"), ""))
            return self.browser.submit(form, {"token": control.token()}).expect(303)
        return STAND_INS[self.world.provider].pay(self._shopper, page)


def play(world: World, history: History, *, also: dict[str, str] | None = None) -> list[str]:
    """Let a history at any provider happen and things grow quiet; return what is wrong then.

    `also`: failpoints by program, at which more processes die.
    """
    histories.begin(world, history)
    for program, failpoint in (also or {}).items():
        world.arm(program, failpoint)
    buyer = Buyer(world, email=histories.new_address())
    token = buyer.place()
    buyer.buy(token, returns=history.returns)
    return histories.end(world, history, buyer, token)
