"""The second factor of staff: enrolling an authenticator app, checking its codes, backup codes for a lost phone.

Threats: a read database (keys are sealed under the key ring, backup codes are digests); guessing (a wait that doubles,
over all addresses, beside axes); a code overheard or seen (its time step is never taken twice, a backup code opens
once); two requests with the same code at once (row lock); somebody else's half-finished enrolment (an authenticator
counts only once a code of it was given in the person's own session).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import transaction
from django_otp.oath import TOTP

from integrations.encryption import Purpose, seal, unseal
from payments.models.staff import BackupCode, BackupCodes, TotpDevice

KEY_BYTES = 20
DIGITS, STEP_SECONDS, TOLERANCE_STEPS = 6, 30, 1
"""What every authenticator app can do (RFC 6238): one step of clock difference is forgiven."""

BACKUP_CODES = 10
_BACKUP_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # pragma: allowlist secret
_BACKUP_LENGTH, _BACKUP_GROUP = 16, 4
_TOTP_CODE = re.compile(r"[0-9]{6}")


# --- enrolling -----------------------------------------------------------------------------------------------


def begin(*, user: Any, at: datetime) -> TotpDevice:
    """Make a new authenticator that does not count yet, in the place of one whose enrolment was not finished."""
    device = _new(user=user, key=secrets.token_bytes(KEY_BYTES), at=at)
    with transaction.atomic():
        TotpDevice.objects.filter(user=user, confirmed=False).delete()
        device.save()
    return device


def in_enrolment(user: Any) -> TotpDevice | None:
    """Return the authenticator that waits for its first code."""
    device: TotpDevice | None = TotpDevice.objects.filter(user=user, confirmed=False).first()
    return device


def finish(*, user: Any, code: str, at: datetime) -> list[str] | None:
    """Let the authenticator in enrolment count, in the place of an earlier one; return ten new backup codes.

    None when the code is wrong, or nothing is in enrolment.
    """
    with transaction.atomic():
        device = TotpDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        if device is None or not _accepts(device, _plain(code), at=at):
            return None
        TotpDevice.objects.filter(user=user, confirmed=True).delete()
        device.confirmed, device.confirmed_at = True, at
        device.save()
        return new_backup_codes(user=user, at=at)


def install(*, user: Any, key: bytes, at: datetime) -> None:
    """Give a person an authenticator with a known key that counts at once: where nobody holds a telephone (demo)."""
    device = _new(user=user, key=key, at=at)
    device.confirmed, device.confirmed_at = True, at
    with transaction.atomic():
        remove(user=user)
        device.save()


def new_backup_codes(*, user: Any, at: datetime) -> list[str]:
    """Make ten codes in the place of all earlier ones and return them; nobody can read them again."""
    codes = [_new_backup_code() for _ in range(BACKUP_CODES)]
    with transaction.atomic():
        BackupCodes.objects.filter(user=user).delete()
        kept = BackupCodes.objects.create(user=user, name="Backup codes", created_at=at)
        BackupCode.objects.bulk_create(BackupCode(codes=kept, digest=_digest(_plain(code))) for code in codes)
    return codes


def remove(*, user: Any) -> None:
    """Take away every second factor of a person."""
    with transaction.atomic():
        TotpDevice.objects.filter(user=user).delete()
        BackupCodes.objects.filter(user=user).delete()


# --- asking --------------------------------------------------------------------------------------------------


def is_enrolled(user: Any) -> bool:
    """Say whether a person has an authenticator that counts."""
    return bool(TotpDevice.objects.filter(user=user, confirmed=True).exists())


def has_key(*, user: Any, key: bytes) -> bool:
    """Say whether a person's authenticator that counts is the one with this key."""
    device = TotpDevice.objects.filter(user=user, confirmed=True).first()
    return device is not None and secrets.compare_digest(_key(device), key)


def verify(*, user: Any, code: str, at: datetime) -> TotpDevice | BackupCodes | None:
    """Return what the code belongs to, having used it up; None if it is wrong, used, or comes too soon after others.

    Six digits are asked of the authenticator, anything else of the backup codes: a wrong one costs only its own kind.
    """
    plain = _plain(code)
    with transaction.atomic():
        device: TotpDevice | BackupCodes | None
        if _TOTP_CODE.fullmatch(plain):
            device = TotpDevice.objects.select_for_update().filter(user=user, confirmed=True).first()
        else:
            device = BackupCodes.objects.select_for_update().filter(user=user, confirmed=True).first()
        return device if device is not None and _accepts(device, plain, at=at) else None


def backup_codes_left(user: Any) -> int:
    """Return how many backup codes are not used."""
    return BackupCode.objects.filter(codes__user=user, used_at=None).count()


def key_text(device: TotpDevice) -> str:
    """Return the key as an app takes it by hand: base32 in groups of four."""
    text = base64.b32encode(_key(device)).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def key_uri(device: TotpDevice) -> str:
    """Return the key as a QR code carries it (otpauth, Google's Key Uri Format)."""
    issuer = settings.MFA_ISSUER
    about = {
        "secret": base64.b32encode(_key(device)).decode(),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{quote(f'{issuer}:{device.user.get_username()}')}?{urlencode(about, quote_via=quote)}"


def code_at(key: bytes, at: datetime) -> str:
    """Return the code that an app with this key shows at a moment."""
    totp = TOTP(key, STEP_SECONDS, 0, DIGITS)
    totp.time = int(at.timestamp())
    return f"{totp.token():0{DIGITS}d}"


# --- inside --------------------------------------------------------------------------------------------------


def _new(*, user: Any, key: bytes, at: datetime) -> TotpDevice:
    device = TotpDevice(user=user, name="Authenticator app", confirmed=False, created_at=at)
    device.key_sealed = seal(key, **_place(device))
    return device


def _accepts(device: TotpDevice | BackupCodes, plain: str, *, at: datetime) -> bool:
    """Check a code and write down what came of it. Needs the device's row lock."""
    allowed, _ = device.verify_is_allowed()
    if not allowed:
        return False
    right = _is_current(device, plain, at) if isinstance(device, TotpDevice) else _use_backup_code(device, plain, at)
    if right:
        device.throttle_reset()
    else:
        device.throttle_increment()
    return right


def _is_current(device: TotpDevice, plain: str, at: datetime) -> bool:
    if not _TOTP_CODE.fullmatch(plain):
        return False
    totp = TOTP(_key(device), STEP_SECONDS, 0, DIGITS)
    totp.time = int(at.timestamp())
    if not totp.verify(int(plain), TOLERANCE_STEPS, device.last_step + 1):
        return False
    device.last_step = totp.t()
    return True


def _use_backup_code(device: BackupCodes, plain: str, at: datetime) -> bool:
    return bool(BackupCode.objects.filter(codes=device, digest=_digest(plain), used_at=None).update(used_at=at))


def _key(device: TotpDevice) -> bytes:
    """Open the key: its owner enrols with it, or signs in."""
    actor = f"user:{device.user_id}"
    return unseal(bytes(device.key_sealed), **_place(device), purpose=Purpose.SIGN_IN, actor=actor)


def _place(device: TotpDevice) -> dict[str, Any]:
    return {"table": "payments_totpdevice", "column": "key_sealed", "row": device.uid}


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code).lower()[:64]


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def _new_backup_code() -> str:
    letters = "".join(secrets.choice(_BACKUP_LETTERS) for _ in range(_BACKUP_LENGTH))
    return "-".join(letters[start : start + _BACKUP_GROUP] for start in range(0, _BACKUP_LENGTH, _BACKUP_GROUP))
