"""Writes docs/settings.md's tables and .env.example from config/variables.py and payments/checks.py.

`python tools/settings_page.py` writes, `--check` compares only (exit code 3 where something is stale).
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"
sys.path.insert(0, str(ROOT))

from config import variables  # noqa: E402

SECTIONS = (
    ("The service", variables.GENERAL),
    ("Database, queue, mail", variables.STORES),
    ("The shop", variables.SHOP),
    ("The way out", variables.WAY_OUT),
    ("Alerts and suspicious patterns", variables.WATCHING),
    ("Reconciliation and expected events", variables.RECONCILING),
    ("Providers", variables.PROVIDERS),
)


def settings_tables() -> str:
    """Return one table a section."""
    parts = []
    for title, rows in SECTIONS:
        lines = [f"### {title}", "", "| name | meaning | default | required in |", "|---|---|---|---|"]
        for row in rows:
            name = f"`{row.name}`{' 🔑' if row.secret else ''}"
            lines.append(f"| {name} | {row.meaning} | {row.default} | {', '.join(row.required_in)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def checks_table() -> str:
    """Return the numbered system checks with what each is for."""
    os.environ["ENVIRONMENT"] = "test"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django  # noqa: PLC0415  once the environment is set

    django.setup()
    from payments import checks  # noqa: PLC0415  once Django is set up

    rows = []
    for name, check in vars(checks).items():
        if name.startswith("check_"):
            numbers, _, why = " ".join(str(check.__doc__).split()).partition(": ")
            rows.append(f"| {numbers} | {why[0].upper()}{why[1:]} |")
    return "\n".join(["| `payments.` | what it holds |", "|---|---|", *sorted(rows)])


def example() -> str:
    """Return .env.example."""
    lines = [
        "# Every variable of the service, from config/variables.py (docs/settings.md says the same as a table).",
        "# The demo needs none of them. Nothing reads this file by itself: copy it to .env, fill it in, and give it to",
        "# systemd (EnvironmentFile=) or your shell (set -a; . ./.env; set +a).",
    ]
    for title, rows in SECTIONS:
        lines += ["", f"# --- {title} ---"]
        for row in rows:
            required = f" Required in {' and '.join(row.required_in)}." if row.required_in else ""
            file = f" Or {row.name}_FILE." if row.secret else ""
            lines += ["", *_wrapped(f"{row.meaning} Default: {row.default}.{required}{file}"), f"#{row.name}="]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    lines, line = [], "#"
    for word in text.replace("`", "").split():
        if len(line) + len(word) > 110:
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]


def page(old: str) -> str:
    """Return docs/settings.md with its marked blocks drawn anew."""
    for name, drawn in (("settings", settings_tables()), ("checks", checks_table())):
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        head, _, rest = old.partition(begin)
        _, _, tail = rest.partition(end)
        old = f"{head}{begin}\n{drawn}\n{end}{tail}"
    return old


def main(arguments: list[str]) -> int:
    """Write or compare."""
    stale = []
    for file, wanted in ((PAGE, page(PAGE.read_text(encoding="utf-8"))), (EXAMPLE, example())):
        if not file.exists() or file.read_text(encoding="utf-8") != wanted:
            stale.append(file)
            if "--check" not in arguments:
                file.write_text(wanted, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"Stale: {', '.join(map(str, stale))}. Run python tools/settings_page.py.", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
