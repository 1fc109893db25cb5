"""Makes the tables and the rows that the world of the fault tests stands on. Run as a process, once a world.

Its last line is the secret of a staff token: a program of the shop's lead, which may refund.
"""

from __future__ import annotations

import sys

import django


def main(receiver: str, secret: str) -> None:
    """Migrate, then offer the catalogue and let two destinations at `receiver` hear every fact."""
    django.setup()

    from django.core.management import call_command
    from django.utils import timezone

    from integrations.facts import Fact
    from integrations.models import Destination, DestinationKind
    from orders import seed

    call_command("migrate", verbosity=0, interactive=False)
    seed.seed()
    for name, idempotent in (("takes a key once", True), ("is asked first", False)):
        destination = Destination(
            name=name,
            kind=DestinationKind.WEBHOOK,
            address=f"{receiver}/",
            lookup_address=f"{receiver}/received",
            idempotent=idempotent,
            allow_loopback=True,
            facts=[fact.value for fact in Fact],
            created_at=timezone.now(),
        )
        destination.set_signing_secrets([secret])
        destination.save()
    print(_token())


def _token() -> str:
    from django.utils import timezone

    from payments.people import tokens as staff_tokens
    from payments.people.tokens import Scope
    from payments.roles import Role
    from tests.staff import make_staff

    lead, at = make_staff(Role.LEAD), timezone.now()
    token = staff_tokens.issue(
        user=lead, name="refunds", scopes=[Scope.REFUNDS_REQUEST], days=1, by=make_staff(Role.ADMIN), at=at
    )
    return staff_tokens.collect(token_id=token.pk, user=lead, at=at)


if __name__ == "__main__":
    main(*sys.argv[1:])
