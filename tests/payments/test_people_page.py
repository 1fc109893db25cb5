"""docs/people.md is held against the code: its roles table, its figures."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from payments.people.tokens import Scope
from payments.roles import TABLE, Role, Verb

PAGE = Path(settings.BASE_DIR) / "docs" / "people.md"
LETTERS = {Verb.VIEW: "V", Verb.DO: "D", Verb.REQUEST: "R", Verb.APPROVE: "A"}


def roles_table() -> str:
    """The table of payments/roles.py as the page shows it."""
    lines = [f"| | {' | '.join(Role)} |", "|---" * (len(Role) + 1) + "|"]
    for area, given in TABLE.items():
        cells = [LETTERS[given[role]] if role in given else "–" for role in Role]
        lines.append(f"| {area.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_roles_table_is_the_codes() -> None:
    """Red? Put the expected table between the marks."""
    found = re.search(r"<!-- begin roles -->\n(.*?)\n?<!-- end roles -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1].strip() == roles_table()


def test_figures_are_those_of_the_settings() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"for {settings.INVITATION_HOURS} hours" in text
    assert f"`STAFF_TOKEN_MAX_DAYS` = {settings.STAFF_TOKEN_MAX_DAYS} days" in text
    assert f"| {settings.STAFF_SESSION_SECONDS // 3600} h |" in text
    assert f"| {settings.STAFF_IDLE_SECONDS // 60} min |" in text
    assert f"| {settings.AXES_FAILURE_LIMIT}, then {settings.AXES_COOLOFF_TIME.seconds // 60} min |" in text
    assert f"| {settings.STEP_UP_SECONDS // 60} min since" in text
    assert all(f"| `{scope}` |" in text for scope in Scope)
