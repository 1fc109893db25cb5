"""JSON in the narrow sense. What Python reads otherwise than other readers do is refused: a key that stands twice, NaN,
a number beyond all bounds, another encoding than UTF-8.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def read_object(body: bytes) -> dict[str, Any]:
    """Return the object that `body` is. Raises ValueError for everything else."""
    try:
        read = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(read, dict):
        raise ValueError("no JSON object")
    return read


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key stands twice")
    return read


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number beyond all bounds")
    return value
