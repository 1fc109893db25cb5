"""Axes' counting of failed sign-ins, without what was typed: forms of the back office hold personal data."""

from __future__ import annotations

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt


class CountingHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Django-axes' own, but it keeps no form."""

    def post_save_access_attempt(self, instance: AccessAttempt, **_: Any) -> None:
        """Empty what axes keeps of the request, in the transaction that counts the try."""
        AccessAttempt.objects.filter(pk=instance.pk).update(get_data="", post_data="")
