"""The frame of doctor's examinations: a code, what it holds, the remedy; and how one ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import DatabaseError

from integrations.probes import ProbeFailed
from payments.clock import Clock


class Result(StrEnum):
    """How an examination ended."""

    OK = "ok"
    FINDING = "finding"
    UNCHECKED = "unchecked"
    SKIPPED = "skipped"


class Unchecked(Exception):
    """It could not be examined now; the sentence says why. It may be well or ill."""


class Skipped(Exception):
    """It does not apply here; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What doctor was told: when it began, the clock, where the service answers, and who asks."""

    at: datetime
    clock: Clock
    url: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One code. `examine` returns a sentence for each thing that is wrong, none where all is well."""

    code: str
    holds: str
    remedy: str
    examine: Callable[[Place], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one examination. `details`: what is wrong, or why it could not be told."""

    code: str
    holds: str
    result: Result
    details: tuple[str, ...]
    remedy: str


EXAMINATIONS: dict[str, Examination] = {}
"""By code, in the order in which the modules register them."""


def examination(
    code: str, *, holds: str, remedy: str
) -> Callable[[Callable[[Place], list[str]]], Callable[[Place], list[str]]]:
    """Register a function as the examination of `code`. Codes are never used twice, nor again."""

    def register(examine: Callable[[Place], list[str]]) -> Callable[[Place], list[str]]:
        if code in EXAMINATIONS:
            raise ValueError(f"{code} is taken")
        EXAMINATIONS[code] = Examination(code=code, holds=holds, remedy=remedy, examine=examine)
        return examine

    return register


def examine(each: Examination, place: Place) -> Outcome:
    """Carry one out. The network or the database being away makes it `unchecked`, never well."""
    try:
        details, result = each.examine(place), Result.OK
        result = Result.FINDING if details else Result.OK
    except Skipped as reason:
        details, result = [str(reason)], Result.SKIPPED
    except (Unchecked, ProbeFailed) as reason:
        details, result = [str(reason)], Result.UNCHECKED
    except DatabaseError as error:
        details, result = [f"The database does not say ({type(error).__name__})."], Result.UNCHECKED
    return Outcome(code=each.code, holds=each.holds, result=result, details=tuple(details), remedy=each.remedy)
