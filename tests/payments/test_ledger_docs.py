"""docs/ledger.md tells the chart and the causes as they are; `manage.py shell -c` with write() brings it up to date."""

from __future__ import annotations

import re
from pathlib import Path

from payments.ledger import chart
from payments.ledger import check as ledger_check
from payments.ledger.causes import CAUSES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"

REMEDY = 'Run manage.py shell -c "from tests.payments.test_ledger_docs import write; write()".'


def chart_table() -> str:
    rows = [
        f"| `{account.code}{':<provider>' if account.per_provider else ''}` | {account.side} | {account.meaning} |"
        for account in chart.CHART
    ]
    return "\n".join(["| account | side | what stands there |", "|---|---|---|", *rows])


def causes_table() -> str:
    causes = [CAUSES[kind] for kind in sorted(CAUSES)]
    rows = [f"| `{each.kind}` | {each.says} | {each.debit} | {each.credit} |" for each in causes]
    return "\n".join(["| cause | what happened | debit | credit |", "|---|---|---|---|", *rows])


def written(text: str) -> str:
    """Return the page with both tables as the code has them."""
    for name, table in (("chart", chart_table()), ("causes", causes_table())):
        text = re.sub(rf"<!-- {name} -->\n(\n\|[^\n]*(\n\|[^\n]*)*\n)?", f"<!-- {name} -->\n\n{table}\n", text)
    return text


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def test_the_page_tells_chart_and_causes_as_they_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == written(text), REMEDY


def test_the_page_names_every_kind_of_finding() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [code for code in ledger_check.REMEDIES if f"`{code}`" not in text] == []
