"""When lists are reconciled, events fetched and expected, read from the environment into settings of the same names."""

from __future__ import annotations

from config.readers import Reader

NUMBERS: dict[str, tuple[int, int, int]] = {
    # name: default, lowest, highest
    "RECONCILE_NIGHT_HOUR": (2, 0, 23),
    "RECONCILE_PAGES_A_SECOND": (5, 1, 50),
    "RECONCILE_OVERLAP_MINUTES": (120, 5, 2_880),
    "EVENTS_GAP_MINUTES": (15, 5, 1_440),
    "EXPECT_START_SECONDS": (120, 60, 86_400),
    "EXPECT_CLOSE_SECONDS": (600, 60, 86_400),
    "EXPECT_MONEY_SECONDS": (300, 60, 86_400),
    "EXPECT_PENDING_SECONDS": (2_700, 1_860, 86_400),
}


def reconciling_env(read: Reader, *, environment: str) -> dict[str, int | bool]:
    """Return the settings by name; notes the problems found. Tests start what they need by themselves."""
    scheduled = read.choice("RECONCILE_SCHEDULED", "off" if environment == "test" else "on", ("on", "off"))
    return {"RECONCILE_SCHEDULED": scheduled == "on", **read.numbers(NUMBERS)}
