"""Deletes what the demo and the tests have stored for this checkout: the embedded database and `var/`."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config import postgres  # noqa: E402


def main() -> int:
    """Delete; return 5 if the database is in use (public exit code “refused”)."""
    try:
        postgres.remove(ROOT)
    except postgres.EmbeddedPostgresError as error:
        print(error, file=sys.stderr)
        return 5
    shutil.rmtree(ROOT / "var", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
