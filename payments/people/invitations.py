"""Ways into an account by a link that opens once: the first time, or for whoever lost their password or their phone.

Nobody types a password for somebody else, and no link alone takes over an account that is in use: a link for a new
password asks for a code of the authenticator, a link for a new authenticator asks for the password. Both at once
(`start`) are for accounts without either; payments/people/acts.py asks a second administrator for strong ones.

Threats: a link that leaks from a mailbox or a log (one use, three days, only its SHA-256 is kept, and the pages take
the token out of the address at once); a link made and kept by whoever made it (recorded; the person's own link then
does not open, and making a new one ends the old); one that outlives a change (any new invitation and a deactivation
end it); guessing (256 random bits).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from payments.audit import recording as audit
from payments.audit.events import Event
from payments.models.staff import Invitation, InvitationKind, StaffAccount
from payments.people import events as staff_events
from payments.people import mfa


class WrongCode(Exception):
    """The code does not fit. The invitation stays; ask the person again."""


class NotOpen(Exception):
    """The invitation was used, withdrawn or has expired. An administrator can make a new one."""


def invite(*, user: Any, kind: InvitationKind, by: Any, at: datetime) -> Invitation:
    """Make an invitation in the place of an open one. `by`: an administrator; None for a command."""
    with transaction.atomic():
        withdraw(user=user, at=at)
        made = Invitation.objects.create(
            user=user,
            kind=kind,
            created_at=at,
            created_by=by,
            expires_at=at + timedelta(hours=settings.INVITATION_HOURS),
        )
        staff_events.record(Event.INVITED, user=user, by=by or audit.command_actor(), at=at, kind=kind)
    return made


def withdraw(*, user: Any, at: datetime) -> None:
    """End a person's open invitation, if there is one."""
    Invitation.objects.filter(user=user, ended_at=None).update(ended_at=at, digest=None)


def new_link(*, invitation_id: int, by: Any, at: datetime) -> str:
    """Return the token of a new link; a link made before does not open any more. Raises NotOpen."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        invitation = _lock(invitation_id, at=at)
        invitation.digest, invitation.linked_at = digest_of(token), at
        invitation.save()
        staff_events.record(Event.INVITATION_LINKED, user=invitation.user, by=by or audit.command_actor(), at=at)
    return token


def open_invitation(*, digest: str, at: datetime) -> Invitation | None:
    """Return the invitation whose link has this digest, if it still opens."""
    found = Invitation.objects.select_related("user").filter(digest=digest).first() if digest else None
    return found if found is not None and _is_open(found, at=at) else None


def accept(*, invitation_id: int, new_password: str, code: str, at: datetime) -> list[str]:
    """Set what the invitation is for and use it up; return new backup codes, none where the authenticator stays.

    `code`: of the authenticator in enrolment; for a new password, of the one in use. Raises WrongCode and NotOpen.
    The password itself is checked by the page: the new one's strength, or for a new authenticator the present one.
    """
    with transaction.atomic():
        invitation = _lock(invitation_id, at=at)
        user = invitation.user
        codes = _prove(invitation, code, at=at)
        if codes is not None:
            if new_password and invitation.kind != InvitationKind.MFA:
                user.set_password(new_password)
                user.save(update_fields=["password"])
            StaffAccount.objects.update_or_create(user=user, defaults={"sessions_ended_at": at})
            invitation.used, invitation.ended_at, invitation.digest = True, at, None
            invitation.save()
            staff_events.record(Event.INVITATION_USED, user=user, at=at, kind=invitation.kind)
            if invitation.kind != InvitationKind.PASSWORD:
                staff_events.record(Event.MFA_ENROLLED, user=user, at=at)
    if codes is None:  # after the transaction, so that the device keeps its count
        staff_events.record(Event.INVITATION_FAILED, user=user, by=audit.ANONYMOUS, at=at, wrong="code")
        raise WrongCode("That code does not fit. Wait for a fresh one, then try again.")
    return codes


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _prove(invitation: Invitation, code: str, *, at: datetime) -> list[str] | None:
    if invitation.kind == InvitationKind.PASSWORD:
        return [] if mfa.verify(user=invitation.user, code=code, at=at) is not None else None
    return mfa.finish(user=invitation.user, code=code, at=at)


def _lock(invitation_id: int, *, at: datetime) -> Invitation:
    found = Invitation.objects.select_for_update(of=("self",)).select_related("user").get(pk=invitation_id)
    if not _is_open(found, at=at):
        raise NotOpen("This invitation was used, withdrawn or has expired. An administrator can make a new one.")
    return found


def _is_open(invitation: Invitation, *, at: datetime) -> bool:
    return invitation.ended_at is None and at < invitation.expires_at and invitation.user.is_active
