"""NMI: the card is typed into Collect.js's frames on our page, our server posts its token, once. It moves no state.

NMI knows no idempotency keys. What moves money is sent once, under an order id that is the attempt's own; whatever the
answer, `fetch` asks the query API for that order id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from integrations.contract import (
    Capabilities,
    ConfigurationError,
    InvalidRequest,
    ListedCapture,
    ListedRefund,
    Mode,
    Notification,
    NotOffered,
    Page,
    PayForm,
    PaymentSnapshot,
    PayRequest,
    Presentation,
    ProviderIds,
    ProviderMisconfigured,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
    UnknownObject,
)
from integrations.contract.not_offered import (
    WithoutBalanceList,
    WithoutCapture,
    WithoutDisputes,
    WithoutEventList,
    WithoutPayouts,
)
from integrations.providers.nmi import listing, notifications, refunds, snapshots
from integrations.providers.nmi.client import Client, checked, is_id
from integrations.providers.nmi.credentials import LIVE_API_BASE, check_credentials, mode_of
from integrations.providers.nmi.money import CURRENCIES, to_nmi
from integrations.providers.nmi.notifications import SeenOverOtherBytes

_TOKEN = re.compile(r"[A-Za-z0-9-]{8,64}")
_EMAIL = re.compile(r"[\x21-\x7e]{3,254}")


class NmiProvider(WithoutCapture, WithoutDisputes, WithoutEventList, WithoutPayouts, WithoutBalanceList):
    """The adapter. See integrations.contract.Provider; call it through integrations.providers.get.

    `seen_over_other_bytes` remembers the nonces of proved webhooks; `on_use` is told which key has just been of use.
    Raises ProviderMisconfigured for keys or addresses that must not be used in `environment`.
    """

    name = "nmi"
    capabilities = Capabilities(
        key_lifetime_seconds=0,
        key_max_length=0,
        # NMI tells no lag of its reports; a sale that an answer got lost of is looked for this long.
        lookup_settles_after_seconds=120,
        page_lifetime_min_seconds=0,
        page_lifetime_max_seconds=24 * 3600,
        currencies=CURRENCIES,
        lists_payments=True,
        refund_before_settlement=False,
        presentations=(Presentation.EMBEDDED,),
        tells_fees=False,
        dispute_outcome=False,
        balance_entries=False,
        moved_by_us=frozenset({Presentation.EMBEDDED}),
    )

    def __init__(
        self,
        *,
        environment: str,
        security_key: str,
        tokenization_key: str,
        signing_keys: Sequence[str],
        merchant_id: str,
        api_base: str = LIVE_API_BASE,
        seen_over_other_bytes: SeenOverOtherBytes = lambda *_: False,
        on_use: Callable[[str], None] = lambda _: None,
    ) -> None:
        problems = check_credentials(
            environment=environment,
            security_key=security_key,
            tokenization_key=tokenization_key,
            signing_keys=signing_keys,
            merchant_id=merchant_id,
            api_base=api_base,
        )
        if problems:
            raise ProviderMisconfigured(self.name, tuple(problems))
        self.mode: Mode = mode_of(api_base)
        self._base = api_base.removesuffix("/")
        self._tokenization_key = tokenization_key
        self._signing_keys = tuple(signing_keys)
        self._merchant_id = merchant_id
        self._fingerprint_key = security_key
        self._seen_over_other_bytes = seen_over_other_bytes
        self._secret_used = on_use
        self._client = Client(security_key=security_key, api_base=api_base, on_use=partial(on_use, security_key))

    def __repr__(self) -> str:
        return f"<NmiProvider {self.mode}>"

    def account(self) -> str:
        """Return the merchant's number, which NMI tells in webhooks only; see that NMI takes our key, and that the
        account is not in test mode where real money is expected. Raises ProviderError."""
        self._client.is_test_mode()
        self._refuse_test_mode()
        return self._merchant_id

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        """Begin a payment on our own page. Nothing is opened at NMI: our reference will be its order id."""
        if request.presentation is not Presentation.EMBEDDED:
            raise NotOffered("nmi does not offer a page of its own", code="not_offered")
        to_nmi(request.amount_minor, request.currency)
        if sum(line.unit_amount_minor * line.quantity for line in request.lines) != request.amount_minor:
            raise InvalidRequest("the lines do not add up to the amount", code="lines")
        self._refuse_test_mode()
        return Started(
            ids=ProviderIds(page_id=checked(request.reference)),
            account=self._merchant_id,
            mode=self.mode,
            redirect_url="",
            expires_at=request.expires_at,
            raw={"id": request.reference},
        )

    def form(self, ids: ProviderIds) -> PayForm:
        """Return the public key and where Collect.js is; our script loads it, since it reads the key from its tag."""
        checked(ids.page_id)
        self._refuse_test_mode()
        return PayForm(
            scripts=(),
            parameters={"script": f"{self._base}/token/Collect.js", "tokenization_key": self._tokenization_key},
            policy=dict.fromkeys(("script-src", "frame-src", "connect-src"), (self._base,)),
            takes_token=True,
        )

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        """Post one sale.

        Sent, and nothing else: the token, the amount, the currency, our reference as the order id, the order's number
        as its description, the shopper's e-mail address (where the receipt goes). `dup_seconds=0`: NMI's own duplicate
        check knows cards and amounts only and would refuse a second, honest order; ours is the one call an attempt.
        """
        if request.proof:
            raise NotOffered("3-D Secure through NMI is not offered here", code="not_offered")
        if not _TOKEN.fullmatch(request.token):
            raise InvalidRequest("this is no token of NMI's", code="token")
        amount = to_nmi(request.amount_minor, request.currency)
        reference = checked(request.reference)
        self._refuse_test_mode()
        answer = self._client.transact(
            type="sale",
            payment_token=request.token,
            amount=amount,
            currency=request.currency,
            orderid=reference,
            order_description=f"Order {request.order_number}",
            dup_seconds="0",
            **({"email": request.email} if _EMAIL.fullmatch(request.email) else {}),
        )
        return ProviderIds(page_id=reference, intent_id=checked(answer.get("transactionid", "")))

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        """Ask for all transactions of the payment's order id. Raises UnknownObject while there is none: nothing is at
        NMI before the token is posted."""
        order_id, found = self._of_payment(ids)
        if not any(snapshots.begins(each) for each in found):
            raise UnknownObject("NMI has no transaction of this payment", code="order_id")
        return snapshots.snapshot(
            found,
            account=self._merchant_id,
            mode=self._mode_now(),
            fingerprint_key=self._fingerprint_key,
            page_id=order_id,
        )

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Do nothing: the page is ours, and takes no token any more once the attempt has ended here."""
        checked(ids.page_id or ids.intent_id)

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Void what is authorized only. We never authorize without taking; a person in NMI's pages may."""
        _, found = self._of_payment(ids)
        for each in found:
            if snapshots.is_reserved(each):
                self._client.transact(type="void", transactionid=each.transaction_id)

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        """Give money of one sale back, by void or refund; see refunds.give_back."""
        return refunds.give_back(self._client, request)

    def find_capture(self, capture_id: str) -> ListedCapture:
        """Ask for one sale; see listing.find_capture."""
        return listing.find_capture(self._client, capture_id, account=self._merchant_id, mode=self._mode_now())

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        """List sales; see listing.list_captures."""
        return listing.list_captures(
            self._client, since=since, until=until, cursor=cursor, account=self._merchant_id, mode=self._mode_now()
        )

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        """List refunds and voids; see listing.list_refunds."""
        return listing.list_refunds(self._client, since=since, until=until, cursor=cursor, account=self._merchant_id)

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and read a webhook; see notifications.verify."""
        return notifications.verify(
            headers=headers,
            body=body,
            signing_keys=self._signing_keys,
            now=now,
            mode=self.mode,
            seen_over_other_bytes=self._seen_over_other_bytes,
            on_match=self._secret_used,
        )

    prove = verify  # the proof needs nobody

    def _of_payment(self, ids: ProviderIds) -> tuple[str, list[snapshots.Transaction]]:
        """Return the order id, and its transactions exactly: a report that matches more loosely is sifted."""
        order_id = ids.page_id
        if not order_id:
            named = self._client.transactions(transaction_id=checked(ids.intent_id))
            order_id = next((each.order_id for each in named if each.transaction_id == ids.intent_id), "")
            if not is_id(order_id):
                raise UnknownObject("NMI knows no such transaction of an order of ours", code="transaction")
        found = self._client.transactions(order_id=checked(order_id))
        ours = [each for each in found if each.order_id == order_id]
        if ids.intent_id and ids.intent_id not in {each.transaction_id for each in ours}:
            # Known from an answer, and the search by order id may lag behind.
            named = self._client.transactions(transaction_id=checked(ids.intent_id))
            ours += [each for each in named if (each.transaction_id, each.order_id) == (ids.intent_id, order_id)]
        return order_id, ours

    def _mode_now(self) -> Mode:
        """Return the mode of what NMI tells now: an account on the live host may be in test mode (invariant 10)."""
        return Mode.TEST if self.mode is Mode.LIVE and self._client.is_test_mode() else self.mode

    def _refuse_test_mode(self) -> None:
        """Raise ConfigurationError where an account for real money is in test mode: its sales are pretended."""
        if self._mode_now() is not self.mode:
            raise ConfigurationError(
                "NMI's account is in test mode: its sales move no money. Switch test mode off in NMI's settings.",
                code="test_mode",
            )
