"""Answering a dispute: evidence is staged at the provider, then submitted, once; or the dispute is accepted.

Dangerous acts: a Lead asks, Finance agrees (payments/roles.py). Each is a ProviderCall before it is sent, and only
payments/calls/sending.py sends it; what came of it a look tells.

Threats: a second submission (refused by what the provider last said, by our own calls, and under the locks by both);
a text exchanged between request and approval (the fingerprint holds a digest of every text); a tampered form (limits,
no NUL, keys of a closed list); somebody else's personal data in the preview (the customer's address is masked; what is
sent holds it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

from django import forms

from integrations import providers
from integrations.contract import EvidenceText
from integrations.facts import Fact
from integrations.redaction import scrub_cards
from payments.calls import preparing
from payments.calls import sending as calls
from payments.clock import Clock
from payments.disputes import calls as evidence_calls
from payments.disputes import evidence
from payments.models import Dispute, StaffAction
from payments.models.call import Operation
from payments.roles import Area
from payments.settlement import Outcome, lock, look
from payments.situation import provider_label
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register
from payments.states import DisputeState

_LONG = 8000
_SHORT = 255


class DisputeAct(StaffOperation):
    """An act on one dispute, under the locks of its order, attempt and own row."""

    subject_kind = Dispute.SUBJECT_KIND
    area = Area.DISPUTE

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        dispute = _dispute(subject_id)
        lock(dispute.attempt_id)
        Dispute.objects.select_for_update(no_key=True).get(pk=dispute.pk)

    def before(self, action: StaffAction, *, clock: Clock) -> None:
        """Look once more: the bank may have our answer by another way, or have decided."""
        dispute = _dispute(action.subject_id)
        seen = look(dispute.attempt_id, clock=clock, actor=action.actor)
        if seen.outcome is not Outcome.SETTLED:
            raise NotPossible(f"{provider_label(dispute.provider)} cannot be asked now how the dispute stands.")

    def after(self, action: StaffAction, *, clock: Clock) -> None:
        call = calls.send(action.result["call"], clock=clock)
        look(call.attempt_id, clock=clock, actor=action.actor)


def _field(label: str, *, longest: int, help_text: str = "") -> forms.CharField:
    widget = forms.Textarea({"rows": 4}) if longest > _SHORT else None
    return forms.CharField(label=label, max_length=longest, required=False, widget=widget, help_text=help_text)


class EvidenceForm(forms.Form):
    """What staff know and our rows do not. The names are those of EvidenceText."""

    shipping_carrier = _field("Carrier", longest=_SHORT)
    shipping_tracking_number = _field(
        "Tracking number", longest=_SHORT, help_text="The proof of delivery at the carrier."
    )
    shipping_date = forms.DateField(label="Shipped on", required=False, widget=forms.DateInput({"type": "date"}))
    shipping_address = _field("Shipped to", longest=1000)
    service_date = forms.DateField(
        label="Date of the service", required=False, widget=forms.DateInput({"type": "date"})
    )
    refund_policy_disclosure = _field(evidence.LABELS[EvidenceText.REFUND_POLICY], longest=_LONG)
    refund_refusal_explanation = _field(evidence.LABELS[EvidenceText.REFUND_REFUSAL], longest=_LONG)
    cancellation_rebuttal = _field(evidence.LABELS[EvidenceText.CANCELLATION_REBUTTAL], longest=_LONG)
    duplicate_charge_explanation = _field(evidence.LABELS[EvidenceText.DUPLICATE_EXPLANATION], longest=_LONG)
    uncategorized_text = _field(
        "Statement",
        longest=_LONG,
        help_text="In your words: what was agreed, what was delivered. What happened when is added from our rows."
        " No card numbers.",
    )

    def clean(self) -> dict[str, Any]:
        """Make the dates plain text, and leave out what is empty: parameters are plain JSON."""
        told = super().clean() or {}
        for name, value in list(told.items()):
            if name != "shipping_tracking_number" and isinstance(value, str) and scrub_cards(value) != value:
                self.add_error(name, "It holds what looks like a card number. Leave it out: the bank knows the card.")
        plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in told.items()}
        return {name: value for name, value in plain.items() if value}


@register
class StageDisputeEvidence(DisputeAct):
    """Stores the evidence at the provider, where it can be changed until it is submitted."""

    name = "stage_dispute_evidence"
    label = "Stage the evidence"
    form_class = EvidenceForm
    reasons: ClassVar[dict[str, str]] = {
        "delivered": "We delivered what was ordered",
        "authorised": "The customer made this payment",
        "not_due": "No refund is due",
        "not_duplicate": "The payments are for different things",
        "other": "Something else; the text says what",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        _require_answerable(_dispute(subject_id))

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        """Begin with what was staged last, as staff wrote it."""
        last = StaffAction.objects.filter(operation=self.name, subject_id=subject_id, state="executed").first()
        return dict(last.parameters) if last is not None else {}

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        dispute = _dispute(subject_id)
        _require_answerable(dispute)
        held = evidence.staged(dispute)
        texts = {**held, **evidence.build(dispute, parameters)}
        _require_size(dispute, texts)
        lacking = evidence.missing(evidence.checklist(dispute, texts))
        provider = provider_label(dispute.provider)
        return Preview(
            summary=f"{provider} stores {_size(texts)} for dispute {dispute.dispute_id}. The bank does not see it yet.",
            changes=tuple(
                Change(
                    what=evidence.LABELS[name],
                    before=evidence.shown(name, held.get(name, "")) or "–",
                    after=evidence.shown(name, text),
                )
                for name, text in sorted(texts.items())
            ),
            stake=dispute.amount,
            order_id=dispute.order_id,
            basis={"texts": _digest(texts)},
            warnings=_warnings(dispute, lacking, at=at),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        dispute = _dispute(action.subject_id)
        texts = {**evidence.staged(dispute), **evidence.build(dispute, action.parameters)}
        request = evidence_calls.request_for(dispute, texts)
        call = preparing.prepare(dispute.attempt, Operation.STAGE, request, at=at)
        return {"call": call.pk, "dispute": dispute.pk}


@register
class SubmitDisputeEvidence(DisputeAct):
    """Sends the staged evidence to the bank. Banks take evidence once."""

    name = "submit_dispute_evidence"
    label = "Submit the evidence"
    reasons: ClassVar[dict[str, str]] = {
        "complete": "The evidence is complete",
        "deadline": "The deadline is near; there will be no more",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        dispute = _dispute(subject_id)
        _require_answerable(dispute)
        texts = evidence.staged(dispute)
        if not texts:
            raise NotPossible("No evidence is staged. Stage it first; then it can be read as the bank will read it.")
        _require_size(dispute, texts)
        lacking = evidence.missing(evidence.checklist(dispute, texts))
        inquiry = dispute.state == DisputeState.INQUIRY
        return Preview(
            summary=f"The bank gets {_size(texts)} for dispute {dispute.dispute_id}, once: nothing can be added or "
            "changed afterwards.",
            changes=(
                *(
                    Change(what=evidence.LABELS[name], before="staged", after=evidence.shown(name, text))
                    for name, text in sorted(texts.items())
                ),
                Change(
                    what="dispute",
                    before=dispute.state,
                    after="inquiry, answered" if inquiry else DisputeState.UNDER_REVIEW,
                ),
            ),
            stake=dispute.amount,
            order_id=dispute.order_id,
            basis={"texts": _digest(texts)},
            warnings=_warnings(dispute, lacking, at=at),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        dispute = _dispute(action.subject_id)
        request = evidence_calls.request_for(dispute, evidence.staged(dispute))
        call = preparing.prepare(dispute.attempt, Operation.EVIDENCE, request, at=at)
        return {"call": call.pk, "dispute": dispute.pk}


@register
class AcceptDispute(DisputeAct):
    """Gives the money up: the dispute is lost by it, at once and for good."""

    name = "accept_dispute"
    label = "Accept the dispute"
    reasons: ClassVar[dict[str, str]] = {
        "customer_is_right": "The customer is right",
        "not_delivered": "We did not deliver",
        "fraud": "The card was stolen",
        "not_worth_it": "An answer costs more than it can bring",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        dispute = _dispute(subject_id)
        if dispute.state == DisputeState.INQUIRY:
            raise NotPossible("An inquiry is not accepted: refund the payment instead, and it ends.")
        _require_answerable(dispute)
        return Preview(
            summary=f"We give up {dispute.amount} of dispute {dispute.dispute_id}. It cannot be answered any more.",
            changes=(
                Change(what="dispute", before=dispute.state, after=DisputeState.LOST),
                Change(what="ledger", before="in disputes", after="in dispute_losses"),
            ),
            stake=dispute.amount,
            tells=(Fact.DISPUTE_CLOSED,),
            order_id=dispute.order_id,
            warnings=("The dispute's fee stays with the provider.",),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        dispute = _dispute(action.subject_id)
        call = preparing.prepare(dispute.attempt, Operation.ACCEPT, evidence_calls.request_for(dispute), at=at)
        return {"call": call.pk, "dispute": dispute.pk}


ACTS = (StageDisputeEvidence.name, SubmitDisputeEvidence.name, AcceptDispute.name)


def _dispute(dispute_id: int) -> Dispute:
    found = Dispute.objects.select_related("order", "capture", "attempt").filter(pk=dispute_id).first()
    if found is None:
        raise NotPossible(f"There is no dispute {dispute_id}.")
    return found


def _require_answerable(dispute: Dispute) -> None:
    """Raise NotPossible, with the sentence a person reads, unless the bank still waits for our answer."""
    submitted = evidence.submission(dispute)
    if dispute.state not in (DisputeState.INQUIRY, DisputeState.OPEN, DisputeState.UNDER_REVIEW):
        raise NotPossible(f"The dispute has ended: it is {dispute.state}.")
    if not dispute.awaits_answer or submitted is not None:
        since = dispute.evidence_submitted_at or (submitted.answered_at if submitted else None)
        when = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        raise NotPossible(f"The bank has the evidence{when}. It takes evidence once.")
    on_its_way = evidence.unfinished_call(dispute)
    if on_its_way is not None:
        asked = on_its_way.get_operation_display().lower()
        raise NotPossible(f"Our request to {asked} is on its way and has no answer yet. Wait for it.")
    if not providers.get(dispute.provider).capabilities.disputes:
        raise NotPossible(
            f"{provider_label(dispute.provider)} takes no evidence from here: answer it in its dashboard."
        )


def _require_size(dispute: Dispute, texts: Mapping[EvidenceText, str]) -> None:
    most = providers.get(dispute.provider).capabilities.evidence_max_characters
    if not most:
        raise NotPossible(f"{provider_label(dispute.provider)} takes no evidence from here: send it in its dashboard.")
    characters = sum(map(len, texts.values()))
    if characters > most:
        raise NotPossible(f"It is {characters:,} characters; {provider_label(dispute.provider)} takes {most:,}.")


def _size(texts: Mapping[EvidenceText, str]) -> str:
    return f"{len(texts)} texts of {sum(map(len, texts.values())):,} characters"


def _digest(texts: Mapping[EvidenceText, str]) -> str:
    return hashlib.sha256(
        json.dumps({str(name): text for name, text in texts.items()}, sort_keys=True).encode()
    ).hexdigest()


def _warnings(dispute: Dispute, lacking: list[str], *, at: datetime) -> tuple[str, ...]:
    found = []
    if dispute.respond_by is not None and at >= dispute.respond_by:
        found.append(f"The deadline was {dispute.respond_by:%Y-%m-%d %H:%M} UTC: the bank may not read it any more.")
    if lacking:
        found.append(f"For this reason banks also look for: {', '.join(lacking)}.")
    return tuple(found)
