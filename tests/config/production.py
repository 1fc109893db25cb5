"""A production's environment, and the service's commands run in it as processes. Nothing in it can be reached."""

from __future__ import annotations

import base64
import os
import subprocess
import sys

from config.settings import BASE_DIR

DATABASE = "postgresql://{}:{}@db.shop.invalid/shop?sslmode=verify-full"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_BASE_URL": "https://shop.example",
    "SECRET_KEY": "s3cret-" * 10,
    "DATABASE_URL": DATABASE.format("shop_app", "hunter2hunter2"),
    "DATABASE_OWNER_URL": DATABASE.format("shop_owner", "hunter3hunter3"),
    "ENCRYPTION_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
    "EMAIL_URL": "smtp://shop:{}@mail.shop.invalid".format("p%40ss%3Aword"),
    "STRIPE_API_KEY": "sk_" + "live_" + "0" * 24,
    "STRIPE_WEBHOOK_SECRETS": "whsec_" + "a" * 32,
    "TRUSTED_PROXIES": "10.0.0.1",
}


def run(*command: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python with `command` in production's environment with changes; None takes a variable away."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    wanted = {**inherited, **PRODUCTION, **changes}
    return subprocess.run(
        [sys.executable, *command],
        cwd=BASE_DIR,
        env={name: value for name, value in wanted.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def manage(*command: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run a management command in production's environment with changes."""
    return run("manage.py", *command, **changes)
