"""Runs `manage.py check --deploy` with an environment as in production, whose secrets are made up on the spot.

Nothing is connected to: the checks look at settings only. A finding of level WARNING or above fails.
"""

import base64
import os
import secrets
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def production_environment() -> dict[str, str]:
    """Return every variable that a production of this project must set, as an operator would set it."""
    database = "postgresql://{}:{}@db.shop.example/shop?sslmode=verify-full"
    return {
        "ENVIRONMENT": "production",
        "PUBLIC_BASE_URL": "https://shop.example",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DATABASE_URL": database.format("shop_app", secrets.token_urlsafe()),
        "DATABASE_OWNER_URL": database.format("shop_owner", secrets.token_urlsafe()),
        "ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "EMAIL_URL": f"smtps://shop:{secrets.token_urlsafe()}@mail.shop.example:465",
        "PAYMENTS_PROVIDERS": "stripe",
        "STRIPE_API_KEY": "sk_" + "live_" + secrets.token_hex(24),
        "STRIPE_WEBHOOK_SECRETS": "whsec_" + secrets.token_hex(24),
        "TRUSTED_PROXIES": "10.0.0.1",
    }


def main() -> int:
    """Run the check and return its exit code."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**inherited, **production_environment()},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
