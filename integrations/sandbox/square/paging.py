"""Square's pages: a cursor belongs to the very query it came from, and a page may be empty although more follow.

Whenever a list has more than one page, its second page is empty and has a cursor: a client that stops at an empty page
loses the rest. https://developer.squareup.com/docs/build-basics/common-api-patterns/pagination
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import errors
from integrations.sandbox.square.scope import Scope
from integrations.sandbox.wire import Json

DEFAULT_LIMIT = 100


def page(scope: Scope, found: Sequence[Stored], values: Json, *, query: Json) -> tuple[list[Stored], str]:
    """One page of `found`, and the cursor of the next one, empty at the end. Raises ApiError for a cursor of another
    query, and for one that is none.

    `values` hold `limit` and `cursor`; `query` is all that must stay the same.
    """
    limit = min(values.get("limit", DEFAULT_LIMIT), DEFAULT_LIMIT)
    mark = hashlib.sha256(json.dumps([query, limit], sort_keys=True).encode()).hexdigest()[:16]
    after, gap = _read(values["cursor"], mark=mark) if values.get("cursor") else ("", False)
    if gap:
        return [], _cursor(mark, after=after, gap=False)
    ids = [stored.id for stored in found]
    start = ids.index(after) + 1 if after in ids else 0
    shown = list(found[start : start + limit])
    more = start + limit < len(found)
    return shown, _cursor(mark, after=shown[-1].id, gap=not values.get("cursor")) if more else ""


def _cursor(mark: str, *, after: str, gap: bool) -> str:
    return base64.urlsafe_b64encode(json.dumps([mark, after, gap]).encode()).decode().rstrip("=")


def _read(cursor: str, *, mark: str) -> tuple[str, bool]:
    try:
        of, after, gap = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise errors.invalid("cursor", "The pagination cursor is invalid.", code="INVALID_CURSOR") from None
    if of != mark:
        raise errors.invalid(
            "cursor", "The pagination cursor was made by a request with other parameters.", code="INVALID_CURSOR"
        )
    return str(after), bool(gap)
