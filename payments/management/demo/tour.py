"""What `make demo` prints when it is ready."""

from __future__ import annotations


def text(addresses, known, place, *, seconds):
    return f"ready in {seconds:.1f} {addresses} {known.admin_password}"
