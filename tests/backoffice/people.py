"""Signing in to the back office in tests that are not about signing in."""

from __future__ import annotations

from typing import Any

from django.test import Client

from payments.roles import Role
from tests.staff import make_staff, sign_in


def signed_in(*roles: Role) -> Client:
    """Return a client of a person with these roles, signed in with a verified second factor."""
    return client_of(make_staff(*roles))


def client_of(user: Any) -> Client:
    """Return a client of this person, signed in with a verified second factor."""
    client = Client()
    sign_in(client, user)
    return client
