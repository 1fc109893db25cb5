"""What people do with bank lines that the rule leaves open: say which payout a line is, or that it is of none.

And they undo what was said wrongly, whoever said it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db import IntegrityError

from payments.bank import matching as bank_matching
from payments.bank.matching import NoMatch
from payments.ledger import chart
from payments.models import BankLine, BankMatch, Payout, StaffAction
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register


class _OfBankLine(StaffOperation):
    """An act on one bank line. The line is append-only: what is said of it is a row of its own."""

    subject_kind = "bank_line"
    area = Area.FINANCE
    step_up = False


class MatchForm(forms.Form):
    """Which payout it is."""

    payout = forms.CharField(
        max_length=255,
        label="Payout",
        help_text="The provider's id (po_…), as the list of payouts shows it.",
    )

    def clean_payout(self) -> str:
        return str(self.cleaned_data["payout"]).strip()


@register
class MatchBankLine(_OfBankLine):
    """Says that a bank line is the arrival, or the return, of one payout; also of one that was set aside by mistake.

    The amount must be the very same.
    """

    name = "match_bank_line"
    label = "Match to a payout"
    form_class = MatchForm
    reasons: ClassVar[dict[str, str]] = {
        "several_fitted": "Several payouts fitted; the statement tells which",
        "booked_late": "The bank booked it later or earlier than expected",
        "provider_told": "The provider told us which it is",
        "set_aside_by_mistake": "It was set aside by mistake",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        _line_of_no_payout(subject_id)

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        line = _line_of_no_payout(subject_id)
        payout = _payout(str(parameters["payout"]))
        try:
            is_return = bank_matching.check(line, payout)
        except NoMatch as error:
            raise NotPossible(str(error)) from error
        word = "return" if is_return else "arrival"
        return Preview(
            summary=f"The bank line of {line.booked_on} over {line.amount} is the {word} of payout {payout.payout_id}.",
            changes=(
                Change(what="bank line", before=_said(line), after=f"{word} of {payout.payout_id}"),
                Change(what="ledger", before=f"{line.amount} in {chart.PAYOUTS}", after=f"in {chart.BANK}"),
            ),
            stake=line.amount,
            basis={"payout": payout.pk},
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        Payout.objects.select_for_update(no_key=True).filter(payout_id=str(parameters["payout"])).first()

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        line, payout = _line_of_no_payout(action.subject_id), _payout(str(action.parameters["payout"]))
        _write(line, payout, action, at=at)
        return {"bank_line": line.pk, "payout": payout.payout_id}

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        line = BankLine.objects.filter(pk=subject_id).first()
        found = bank_matching.candidates(line) if line is not None else []
        return {"payout": found[0].payout_id} if len(found) == 1 else {}


@register
class SetAsideBankLine(_OfBankLine):
    """Says that a bank line is of no provider's payout, so that nobody looks for one again."""

    name = "set_aside_bank_line"
    label = "It is of no payout"
    reasons: ClassVar[dict[str, str]] = {
        "other_business": "Rent, salaries, tax, or other business of ours",
        "customer_transfer": "A customer's own transfer",
        "bank_charges": "Charges or interest of the bank",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        line = _open_line(subject_id)
        return Preview(
            summary=f"The bank line of {line.booked_on} over {line.amount} is of no payout. Nothing is posted.",
            changes=(Change(what="bank line", before="open", after="of no payout"),),
            stake=line.amount,
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        line = _open_line(action.subject_id)
        _write(line, None, action, at=at)
        return {"bank_line": line.pk}


@register
class UnmatchBankLine(_OfBankLine):
    """Undoes what is said of a bank line, by the rule or by a person, so that it can be said rightly.

    The posting is reversed, never deleted; the payout is free for another line. The rule leaves this line alone then.
    """

    name = "unmatch_bank_line"
    label = "Undo what it is said to be"
    reasons: ClassVar[dict[str, str]] = {
        "another_payout": "It is another payout",
        "of_no_payout": "It is of no payout",
        "set_aside_by_mistake": "It was set aside by mistake",
        "another_line": "Another bank line is that payout",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        line = _line(subject_id)
        standing = _standing(line)
        said = ", ".join(match.meaning for match in standing)
        posted = any(match.payout_id for match in standing)
        return Preview(
            summary=f"What is said of the bank line of {line.booked_on} over {line.amount} is undone ({said}). It is"
            " open again, and the rule leaves it to people.",
            changes=(
                Change(what="bank line", before=said, after="open"),
                *(
                    [Change(what="ledger", before=f"{line.amount} in {chart.BANK}", after=f"in {chart.PAYOUTS}")]
                    * posted
                ),
            ),
            stake=line.amount,
            basis={"matches": [match.pk for match in standing]},
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        matched = BankMatch.objects.standing().filter(line_id=subject_id, payout__isnull=False)
        list(Payout.objects.select_for_update(no_key=True).filter(pk__in=matched.values("payout")).order_by("pk"))

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        seen = action.preview["basis"]["matches"]  # and nothing that is said in this very moment
        matches = BankMatch.objects.filter(pk__in=seen).select_related("line", "payout").order_by("pk")
        try:
            for match in matches:
                bank_matching.undo(match, at=at, user=action.requested_by, note=action.reason)
        except IntegrityError as error:  # another person, in this very moment
            raise NotPossible("It has just been undone what this bank line was. See its page.") from error
        return {"bank_line": action.subject_id, "undone": seen}


def _write(line: BankLine, payout: Payout | None, action: StaffAction, *, at: datetime) -> None:
    try:
        bank_matching.write(line, payout, at=at, user=action.requested_by, note=action.reason)
    except NoMatch as error:
        raise NotPossible(str(error)) from error
    except IntegrityError as error:  # the rule, or another person, in this very moment: the database lets one speak
        raise NotPossible("It has just been said what this bank line is. See its page.") from error


def _open_line(line_id: int) -> BankLine:
    line = _line_of_no_payout(line_id)
    if line.match is not None:
        raise NotPossible("It is said already what this bank line is.")
    return line


def _line_of_no_payout(line_id: int) -> BankLine:
    line = _line(line_id)
    if line.match is not None and line.match.payout_id is not None:
        raise NotPossible("It is said already which payout this bank line is.")
    return line


def _line(line_id: int) -> BankLine:
    line = BankLine.objects.prefetch_related("matches__undoing", "matches__payout").filter(pk=line_id).first()
    if line is None:
        raise NotPossible(f"There is no bank line {line_id}.")
    return line


def _standing(line: BankLine) -> list[BankMatch]:
    """Return what stands of a line, the first said first."""
    standing = sorted((match for match in line.matches.all() if match.stands), key=lambda match: match.pk)
    if not standing:
        raise NotPossible("Nothing is said of this bank line that could be undone.")
    return standing


def _said(line: BankLine) -> str:
    return "open" if line.match is None else "of no payout"


def _payout(payout_id: str) -> Payout:
    found = list(Payout.objects.filter(payout_id=payout_id)[:2])
    if len(found) != 1:
        raise NotPossible(
            f"There is no payout {payout_id[:60]}." if not found else "Two providers have a payout of this id."
        )
    return found[0]
