"""Decodes Stripe's form encoding with brackets (`line_items[0][price_data][currency]=eur`) strictly into a tree."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from integrations.sandbox.stripe.errors import ApiError
from integrations.sandbox.wire import Json

MAX_FIELDS = 1_000
MAX_DEPTH = 6
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(encoded: bytes | str) -> Json:
    """A tree of dicts with text leaves; list items stand under their index, or in order for `[]`.

    Raises ApiError (400) for bad UTF-8, NUL, malformed or repeated keys, too many fields and too deep nesting.
    """
    try:
        text = encoded.decode("ascii") if isinstance(encoded, bytes) else encoded
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise ApiError("Invalid request: the parameters are not valid form encoding in UTF-8.") from error
    tree: Json = {}
    for key, value in pairs:
        if "\x00" in key or "\x00" in value:
            raise ApiError("Invalid request: a parameter contains a null byte.", param=key.replace("\x00", ""))
        _place(tree, key, value)
    return tree


def _place(tree: Json, key: str, value: str) -> None:
    match = _KEY.fullmatch(key)
    if match is None:
        raise ApiError(f"Invalid request: malformed parameter name {key!r}.")
    path = [match.group(1), *re.findall(r"\[([^\[\]]*)\]", match.group(2))]
    if len(path) > MAX_DEPTH:
        raise ApiError("Invalid request: parameters are nested too deeply.", param=key)
    node = tree
    for part in path[:-1]:
        child = node.setdefault(part or str(len(node)), {})
        if not isinstance(child, dict):
            raise ApiError(f"Invalid request: parameter {key} is both a value and a hash.", param=key)
        node = child
    last = path[-1] or str(len(node))
    if last in node:
        raise ApiError(f"Invalid request: parameter {key} was sent more than once.", param=key)
    node[last] = value
