"""What a dangerous act of a person is: its preview, its form, its reasons, what it does. Kinds register themselves.

payments/actions.py makes acts of these and executes them; payments/approvals.py asks the second person.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from orders.money import Money
from payments.clock import Clock
from payments.models.action import StaffAction
from payments.roles import Area

Parameters = Mapping[str, Any]


class NotPossible(Exception):
    """The act cannot be done now; nothing happened. The message says why, and stands beside a disabled button too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would change, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen. All of it but the warnings enters the fingerprint.

    `stake`: the money at stake. `tells`: the facts (and by them mails and deliveries) that would go out. `count`: how
    many rows it is about. `basis`: what else must still hold at execution, as plain JSON, not shown.
    """

    summary: str
    changes: tuple[Change, ...] = ()
    stake: Money | None = None
    tells: tuple[str, ...] = ()
    count: int = 1
    warnings: tuple[str, ...] = ()
    order_id: int | None = None
    basis: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON, for the action's row and the page."""
        plain = asdict(self)
        if self.stake is not None:
            plain["stake"] = {"amount_minor": self.stake.amount_minor, "currency": self.stake.currency}
        return plain

    @property
    def fingerprint(self) -> str:
        """Of all that would happen; warnings are advice, and may speak of the hour."""
        binding = {name: value for name, value in self.as_json().items() if name != "warnings"}
        return hashlib.sha256(json.dumps(binding, sort_keys=True, default=str).encode()).hexdigest()


class StaffOperation(ABC):
    """One kind of dangerous act. Instances hold nothing; `register` one of each.

    `subject_kind`: what `subject_id` is the primary key of (`order`, `event`, `destination`, `user` …); 0 for a set.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    subject_kind: ClassVar[str]
    area: ClassVar[Area]
    reasons: ClassVar[dict[str, str]]
    form_class: ClassVar[type[forms.Form] | None] = None
    """The form for what the act needs beyond its subject; its cleaned data, made plain JSON, are the parameters."""

    shows: ClassVar[str] = ""
    """The address name of the page that shows the requester what was revealed; it takes the action's key."""

    step_up: ClassVar[bool] = True
    """Whether the person must have shown within five minutes that it is still they."""

    @abstractmethod
    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        """Return what would happen. Raises NotPossible. Reads only; inside execution, under the locks of `lock`.

        The same facts give the same preview, whatever the hour: fingerprints are compared.
        """

    @abstractmethod
    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        """Do it, in the caller's transaction, under the locks of `lock`; return the result as plain JSON.

        No network: what must be sent is prepared as a row. Raises NotPossible, then nothing happened.
        """

    def lock(self, subject_id: int, parameters: Parameters) -> None:  # noqa: B027  few need it
        """Take the row locks under which preview and execution agree (DESIGN.md, invariant 6)."""

    def before(self, action: StaffAction, *, clock: Clock) -> None:  # noqa: B027
        """Do what must precede the transaction and needs the network (ask, close a page). Raises NotPossible."""

    def after(self, action: StaffAction, *, clock: Clock) -> None:  # noqa: B027
        """Send what was prepared, look again. A failure here undoes nothing: workers go on."""

    def foresee(self, subject_id: int, parameters: Parameters, *, at: datetime) -> list[Change]:
        """Ask the outside, changing nothing, what the act would find; shown below the preview, not fingerprinted."""
        return []

    def check(self, subject_id: int, *, at: datetime) -> None:
        """Raise NotPossible where the act is out of the question, whatever its form will say."""
        if self.form_class is None:
            self.preview(subject_id, {}, at=at)

    def area_for(self, preview: Preview) -> Area:
        """Return the row of the roles table that counts for this preview (limits, counts)."""
        return self.area

    def second_person(self, preview: Preview) -> str:
        """Say why even a person who may do this needs a second one; empty if not."""
        return ""

    def refusal(self, user: Any, preview: Preview) -> str:
        """Say why this very person may neither ask for it nor decide about it, whatever their roles; empty if they may.

        So that nobody changes their own account, as requester or as second person.
        """
        return ""

    def form(self, subject_id: int, *args: Any, **kwargs: Any) -> forms.Form:
        """Return the form, where there is one; for acts that offer choices of their subject. May raise NotPossible."""
        assert self.form_class is not None  # nosec B101  whoever asks for the form has asked whether there is one
        return self.form_class(*args, **kwargs)

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        """Return initial values for the form."""
        return {}


_registry: dict[str, StaffOperation] = {}


def register(kind: type[StaffOperation]) -> type[StaffOperation]:
    """Class decorator: make one kind of act known under its name."""
    _registry[kind.name] = kind()
    return kind


def get(name: str) -> StaffOperation:
    """Return the operation. Raises NotPossible for a name that is none."""
    try:
        return _registry[name]
    except KeyError:
        raise NotPossible(f"There is no act called {name!r}.") from None


def label_of(name: str) -> str:
    """Return the words for a kind of act; one of a former version keeps its name."""
    known = _registry.get(name)
    return known.label if known else name


def all_operations() -> list[StaffOperation]:
    """Return every kind of act, by name."""
    return [_registry[name] for name in sorted(_registry)]


def preview_of(action: StaffAction) -> Preview:
    """Return the preview the person saw, from the action's row."""
    told = dict(action.preview)
    told["changes"] = tuple(Change(**change) for change in told["changes"])
    told["tells"], told["warnings"] = tuple(told["tells"]), tuple(told["warnings"])
    told["stake"] = Money(**told["stake"]) if told["stake"] else None
    return Preview(**told)
