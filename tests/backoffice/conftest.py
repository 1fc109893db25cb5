"""Step-up has tests of its own (test_step_up.py); elsewhere it is recent, unless a test says otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from payments.backoffice import step_up


@pytest.fixture
def recent_step_up(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Let the step-up be recent; set `["recent"]` to False to have it refused."""
    state = {"recent": True}
    monkeypatch.setattr(step_up, "fields_needed", lambda request, now: not state["recent"])

    def confirm(request: Any, form: step_up.StepUpForm, *, now: datetime) -> bool:
        form.is_valid()
        return state["recent"]

    monkeypatch.setattr(step_up, "confirm", confirm)
    return state
