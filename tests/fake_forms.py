"""The fake provider's forms, payments by token and captures: money moves there only by our own call."""

from __future__ import annotations

from typing import Any

from integrations.contract import (
    Capabilities,
    CaptureRequest,
    Decline,
    Declined,
    DeclineReason,
    InvalidRequest,
    NextStep,
    PayForm,
    PaymentStatus,
    PayRequest,
    Presentation,
    ProviderIds,
)


class FakeForms:
    """Mixed into FakeProvider. `decline_next`: the bank's answer to the next call that takes money."""

    capabilities: Capabilities
    by_key: dict[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.decline_next: DeclineReason | None = None
        self.tells_of_unpaid = True
        """Whether the provider knows a payment before money was to move by it (NMI does not)."""
        self.tokens: list[str] = []

    # --- the verbs -------------------------------------------------------------------------------------------

    def form(self, ids: ProviderIds) -> PayForm:
        self._begin("form", ids.page_id)
        self.find(ids)
        return PayForm(
            scripts=("https://js.pay.test/v1.js",),
            parameters={"public_key": "pk_test", "payment": ids.page_id},
            policy={"script-src": ("https://js.pay.test",), "frame-src": ("https://frame.pay.test",)},
            takes_token=True,
        )

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        self._begin("pay_with_token", idempotency_key)
        if request.token in self.tokens:
            raise InvalidRequest("this token was used already", code="token_used")
        return self._take(request, idempotency_key, token=request.token)

    def capture(self, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
        self._begin("capture", idempotency_key)
        return self._take(request, idempotency_key)

    # --- what the test makes true ----------------------------------------------------------------------------

    def approve(self, payment: Any) -> None:
        """Let the shopper approve; the money waits for our capture."""
        payment.status, payment.page_open = PaymentStatus.PENDING, False
        payment.overrides["next_step"] = NextStep.CAPTURE

    def _take(self, request: PayRequest | CaptureRequest, idempotency_key: str, *, token: str = "") -> ProviderIds:
        payment = self.find(request.ids)
        known = self.capabilities.key_lifetime_seconds > 0 and idempotency_key in self.by_key
        if not known:
            self._decide(payment, idempotency_key, token=token)
        self._lose_answer()
        return ProviderIds(page_id=payment.page_id, intent_id=payment.intent_id)

    def _decide(self, payment: Any, idempotency_key: str, *, token: str) -> None:
        if token:
            self.tokens.append(token)
        if self.decline_next is not None:
            decline = Decline(reason=self.decline_next, provider_code=f"bank_says_{self.decline_next}")
            self.decline_next = None
            raise Declined("the bank refused it", decline=decline)
        payment.overrides.pop("next_step", None)
        self.pay(payment)
        self.by_key[idempotency_key] = payment.page_id

    def knows(self, payment: Any) -> bool:
        """Whether `fetch` finds it."""
        return self.tells_of_unpaid or bool(payment.captures or payment.tries)

    def _begin(self, verb: str, what: str) -> None:
        raise NotImplementedError

    def _lose_answer(self) -> None:
        raise NotImplementedError

    def find(self, ids: ProviderIds) -> Any:
        raise NotImplementedError

    def pay(self, payment: Any) -> object:
        raise NotImplementedError


def without_keys(**changes: Any) -> dict[str, Any]:
    """Return what the capabilities of a provider like NMI differ in; for dataclasses.replace()."""
    return {
        "key_lifetime_seconds": 0,
        "lookup_settles_after_seconds": 60,
        "presentations": (Presentation.EMBEDDED,),
        "moved_by_us": frozenset({Presentation.EMBEDDED}),
        **changes,
    }
