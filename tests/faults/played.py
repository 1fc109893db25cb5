"""One provider as it is played in the world of the fault tests: its sandbox, our settings for it, what it took."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from integrations.sandbox.control import SandboxControl
from integrations.sandbox.nmi_control import NmiControl
from integrations.sandbox.square_control import SquareControl
from payments.management.demo.stand_ins import STAND_INS, Where

API_KEY = "sk_test_" + "f" * 24
WEBHOOK_SECRET = "whsec_" + "f" * 32
_FIXED = {"stripe_key": API_KEY, "stripe_webhook_secret": WEBHOOK_SECRET}
"""What tests must know; all else is made up."""
CONTROLS: Mapping[str, type[SandboxControl]] = {"square": SquareControl, "nmi": NmiControl}


@dataclass
class Played:
    """A provider's sandbox. `url`, `shop`: addresses without a slash at the end; `state_dir`: where it keeps its
    state."""

    provider: str
    url: str
    shop: str
    state_dir: Path
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.secrets = {name: _FIXED.get(name) or make() for name, make in STAND_INS[self.provider].secrets.items()}

    @property
    def control(self) -> SandboxControl:
        """A client of its control API."""
        return CONTROLS.get(self.provider, SandboxControl)(self.url)

    def variables(self) -> dict[str, str]:
        """Return our settings that lead to it."""
        return STAND_INS[self.provider].variables(self._where())

    def command(self) -> tuple[str, ...]:
        """Return how its program is started."""
        stand_in = STAND_INS[self.provider]
        return (
            *(sys.executable, "-m", "integrations.sandbox", "--provider", self.provider),
            *("--port", self.url.rpartition(":")[2], "--state-dir", str(self.state_dir)),
            *("--webhook-url", f"{self.shop}/webhooks/{self.provider}/"),
            *("--webhook-secret", self.secrets[stand_in.signing]),
            *stand_in.arguments(self._where()),
        )

    def taken(self, references: Collection[str]) -> list[int]:
        """Return what the provider took under these references of ours by its own books, each time, in minor units."""
        control = self.control
        if isinstance(control, NmiControl):
            sales = [each for each in control.sales() if each["order_id"] in references]
            return [each["captured_minor"] for each in sales if each["captured_minor"]]
        if isinstance(control, SquareControl):
            orders = [each for each in control.money() if each["reference"] in references]
            paid = [each for order in orders for each in order["payments"] if each["status"] == "COMPLETED"]
            return [each["amount"] for each in paid]
        effects = [each for each in control.effects() if each.metadata.get("attempt") in references]
        charges = [charge for each in effects for charge in each.charges]
        if self.provider == "paypal":
            return [each["amount"] for each in charges if each["status"] == "COMPLETED"]
        return [each["amount_captured"] for each in charges if each["status"] == "succeeded"]

    def _where(self) -> Where:
        return Where(sandbox=self.url, shop=self.shop, secrets=self.secrets, state_dir=self.state_dir)
