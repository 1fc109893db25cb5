"""What the audit log knows besides changes of rows: the closed list of events, and their words on the screen.

A new kind of event is a line here; nothing else needs to know it.
"""

from __future__ import annotations

from payments.labelled import Labelled


class Event(Labelled):
    """Something a person or a command did, or was refused, that no change of a row tells."""

    SIGNED_IN = "signed_in", "Signed in"
    SIGNED_OUT = "signed_out", "Signed out"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
    LOCKED_OUT = "locked_out", "Locked out after failed sign-ins"
    MFA_ENROLLED = "mfa_enrolled", "Second factor enrolled"
    MFA_RESET = "mfa_reset", "Second factor taken away"
    MFA_FAILED = "mfa_failed", "Second factor was wrong"
    STEPPED_UP = "stepped_up", "Proved again who they are"
    STEP_UP_FAILED = "step_up_failed", "Failed to prove again who they are"
    SESSION_ENDED = "session_ended", "Sessions ended by somebody"
    PERMISSION_REFUSED = "permission_refused", "Refused: no permission"
    BACKUP_CODES_RENEWED = "backup_codes_renewed", "Backup codes made anew"
    PASSWORD_CHANGED = "password_changed", "Password changed by themselves"  # nosec B105
    INVITED = "invited", "Invited to set up their account"
    INVITATION_LINKED = "invitation_linked", "Link of an invitation made"
    INVITATION_USED = "invitation_used", "Invitation used"
    INVITATION_FAILED = "invitation_failed", "Invitation opened with a wrong password or code"
    TOKEN_COLLECTED = "token_collected", "Staff token collected by its owner"  # nosec B105
    TOKEN_ISSUED = "token_issued", "Staff token issued"  # nosec B105
    TOKEN_REVOKED = "token_revoked", "Staff token revoked"  # nosec B105
    REVEALED = "revealed", "Personal data or a raw payload shown"
    PROVIDER_ASKED = "provider_asked", "Provider asked now"
    EXPORTED = "exported", "Exported"
    COMMAND_RUN = "command_run", "Command run"
    AUDIT_VERIFIED = "audit_verified", "Audit log verified"


def label_of(event: str) -> str:
    """Return the words for an event's name; one that is no longer listed stays readable."""
    return next((known.label for known in Event if known == event), event)
