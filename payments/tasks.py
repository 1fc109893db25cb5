"""What django-q2 runs here. Tasks take ids only, accept unknown keywords (a newer web server may send more), and
read the clock."""

from typing import Any

from django.utils import timezone

from payments import working


def drain_looks(**_: Any) -> int:
    """Cluster `look`: events, due attempts, unfinished calls."""
    return working.drain_looks(clock=timezone.now)


def keep_house(**_: Any) -> int:
    """Cluster `keep`: expiry and housekeeping."""
    return working.keep_house(clock=timezone.now)
