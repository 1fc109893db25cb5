"""Holds JSON against the class annotations of the official Stripe SDK: keys, types, literals, recursively.

The SDK is generated from Stripe's OpenAPI description, so its annotations are the nearest thing to Stripe itself that a
machine without network has. A `Union[Literal[...], str]` is open in the SDK only for future values; here it is closed.
"""

from __future__ import annotations

import ast
import decimal
import functools
import importlib
import inspect
import types
import typing
from typing import Any, Literal, Union

import stripe
from stripe import StripeObject
from stripe._stripe_object import UntypedStripeObject

#: The class behind each `object` value that the sandbox answers with.
CLASSES: dict[str, type] = {
    "checkout.session": stripe.checkout.Session,
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "balance_transaction": stripe.BalanceTransaction,
    "payout": stripe.Payout,
    "event": stripe.Event,
    "account": stripe.Account,
    "payment_method": stripe.PaymentMethod,
    "item": stripe.LineItem,
}


def problems(value: Any, *, cls: type | None = None) -> list[str]:
    """What is wrong with a JSON object: unknown keys, missing required ones, wrong types, unknown literals."""
    found: list[str] = []
    if value.get("object") == "list":
        _list(value, Any, "list", found)
    else:
        cls = cls or CLASSES[value["object"]]
        _object(value, cls, cls.__name__, found)
    return found


def error_problems(body: Any) -> list[str]:
    """The same for an error answer."""
    found: list[str] = []
    if set(body) != {"error"}:
        return [f"an error body has the keys {sorted(body)}"]
    _object(body["error"], stripe.ErrorObject, "error", found)
    return found


@functools.cache
def annotations_of(cls: type) -> dict[str, Any]:
    """A class's annotations with every forward reference resolved, `OBJECT_NAME` and the like left out."""
    module = importlib.import_module(cls.__module__)
    names = {**vars(typing), **_checked_only_imports(cls.__module__), "str": str, "int": int}
    hints = typing.get_type_hints(cls, globalns={**vars(module), **names}, localns=dict(vars(cls)))
    inherited = [base for base in cls.__mro__ if base is not StripeObject]
    own = {name for base in inherited for name in inspect.get_annotations(base)}
    return {
        name: hint
        for name, hint in hints.items()
        if name in own and not name.startswith("_") and typing.get_origin(hint) is not typing.ClassVar
    }


@functools.cache
def _checked_only_imports(module_name: str) -> dict[str, Any]:
    """What a module imports under `if TYPE_CHECKING`, imported for real."""
    source = inspect.getsource(importlib.import_module(module_name))
    blocks = [
        block
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
    ]
    imports = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    return {
        alias.asname or alias.name: getattr(importlib.import_module(line.module), alias.name)
        for line in imports
        if line.module and ".params" not in line.module
        for alias in line.names
    }


def _object(value: Any, cls: type, path: str, found: list[str]) -> None:
    if not isinstance(value, dict):
        found.append(f"{path}: {value!r} is no object")
        return
    hints = annotations_of(cls)
    for name in value:
        if name not in hints:
            found += [f"{path}: unknown key {name!r}"]
    for name, hint in hints.items():
        if name in value:
            _value(value[name], hint, f"{path}.{name}", found)
        elif not _optional(hint):
            found.append(f"{path}: required key {name!r} is missing")
    if cls is stripe.Event:
        inner = value["data"]["object"]
        if inner.get("object") in CLASSES:
            found += [f"{path}.data.object > {problem}" for problem in problems(inner)]


def _optional(hint: Any) -> bool:
    return _is_union(hint) and type(None) in typing.get_args(hint)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (Union, types.UnionType)


def _value(value: Any, hint: Any, path: str, found: list[str]) -> None:
    if hint is Any:
        return
    if _is_union(hint):
        _union(value, typing.get_args(hint), path, found)
    elif not _fits(value, hint):
        found.append(f"{path}: {value!r} is not {getattr(hint, '__name__', hint)}")
    else:
        _inside(value, hint, path, found)


def _union(value: Any, options: tuple[Any, ...], path: str, found: list[str]) -> None:
    literals = [option for option in options if typing.get_origin(option) is Literal]
    if literals and isinstance(value, str):
        if not any(value in typing.get_args(option) for option in literals):
            found.append(f"{path}: {value!r} is not among {[a for o in literals for a in typing.get_args(o)][:12]}")
        return
    fitting = [option for option in options if _fits(value, option)]
    if not fitting:
        found.append(f"{path}: {value!r} fits none of {options}")
        return
    best: list[str] = min((_problems_inside(value, option, path) for option in fitting), key=len)
    found += best


def _problems_inside(value: Any, hint: Any, path: str) -> list[str]:
    found: list[str] = []
    _inside(value, hint, path, found)
    return found


def _fits(value: Any, hint: Any) -> bool:
    """Whether the outermost type is right."""
    origin = typing.get_origin(hint) or hint
    if origin is Literal:
        return value in typing.get_args(hint)
    if _is_union(hint):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if isinstance(value, bool):
        return origin in (bool, Any)
    if origin is decimal.Decimal:
        return isinstance(value, str) and decimal.Decimal(value).is_finite()
    if isinstance(origin, type) and issubclass(origin, StripeObject):
        return isinstance(value, dict) and _same_kind(value, origin)
    return origin is Any or isinstance(value, {float: (int, float)}.get(origin, origin))


def _same_kind(value: dict[str, Any], cls: type) -> bool:
    name = getattr(cls, "OBJECT_NAME", None)
    return name is None or value.get("object") == name


def _inside(value: Any, hint: Any, path: str, found: list[str]) -> None:
    """Checks what an outermost type contains."""
    origin = typing.get_origin(hint) or hint
    if origin is list:
        for index, item in enumerate(value):
            _value(item, typing.get_args(hint)[0], f"{path}[{index}]", found)
    elif origin is stripe.ListObject:
        _list(value, typing.get_args(hint)[0], path, found)
    elif origin is UntypedStripeObject or origin is dict:
        wanted = (typing.get_args(hint) or (Any,))[-1]
        for name, item in value.items():
            _value(item, wanted, f"{path}.{name}", found)
    elif _is_union(hint):
        _union(value, typing.get_args(hint), path, found)
    elif isinstance(origin, type) and issubclass(origin, StripeObject):
        _object(value, origin, path, found)


def _list(value: Any, item: Any, path: str, found: list[str]) -> None:
    if set(value) != {"object", "data", "has_more", "url"}:
        found.append(f"{path}: a list has the keys {sorted(value)}")
    if not isinstance(value["has_more"], bool) or not isinstance(value["url"], str):
        found.append(f"{path}: has_more or url has the wrong type")
    for index, entry in enumerate(value["data"]):
        cls = CLASSES[entry["object"]] if item is Any else item
        _object(entry, cls, f"{path}.data[{index}]", found)
