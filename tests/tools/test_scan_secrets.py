"""The secret scan finds what it is there for and lets dummies pass. What is planted is made up on the spot."""

import base64
import secrets
import string
import subprocess
import sys
from pathlib import Path

import pytest

from tools.scan_secrets import ROOT, scan

PLANTED = {
    "Stripe, secret": "sk_" + "live_" + secrets.token_hex(12),
    "Stripe, secret, long": "sk_" + "live_51" + secrets.token_hex(48),
    "Stripe, restricted": "rk_" + "live_" + secrets.token_hex(24),
    "Stripe, webhook": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "Square": "EAAA" + secrets.token_urlsafe(48)[:60],
    "AWS": "AKIA" + "".join(secrets.choice(string.ascii_uppercase) for _ in range(16)),
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "password in an address": "postgresql://shop_owner:" + secrets.token_hex(8) + "@db.internal/shop",
    "key in quotes": 'ENCRYPTION_KEY = "' + base64.b64encode(secrets.token_bytes(48)).decode() + '"',
}
DUMMIES = {
    "Stripe, test key": 'key = "sk_test_51abcDEF0123456789abcdefghi"',
    "Stripe, webhook of a test": 'secret = "whsec_test_secret"',
    "an address without password": "DATABASE_URL=postgresql:///shop",
    "an address in a help text": "smtp://user:password@host:587",
    "a uuid": 'id = "0194f2d6-7d3a-7c0e-9a53-6f1c2b8e4d10"',
    "prose": "The key starts with sk_live_ and stays in the vault.",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_secret_is_found(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"DEBUG = False\n{PLANTED[kind]}\n")

    finds = scan([file])

    assert finds
    assert all(find.startswith(f"{file}:2: ") for find in finds)
    assert PLANTED[kind] not in "".join(finds), "the report does not spread what it found"


@pytest.mark.parametrize("kind", DUMMIES)
def test_dummy_is_not_found(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(DUMMIES[kind] + "\n")
    assert scan([file]) == []


def test_a_find_fails_the_check(tmp_path: Path) -> None:
    file = tmp_path / "deploy.sh"
    file.write_text(PLANTED["Stripe, secret"])

    done = subprocess.run(
        [sys.executable, "tools/scan_secrets.py", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 3
    assert "1:" in done.stderr
