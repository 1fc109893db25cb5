"""What a shopper's page is made from (OrderView, filled by the views) and made of (Page, shown by the templates)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Button:
    """One thing to do. `post` is a form with a CSRF token and `fields` as hidden inputs; `link` is an address."""

    label: str
    kind: str
    url: str
    primary: bool = False
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the templates payments/pay.html and payments/order.html show.

    `tone` (good, act, wait, note, bad) picks the mark beside the heading; the words alone say everything.
    `show_pay_form`: pay.html offers its form, which posts `pay_action` (start, another) and `provider`. `poll`: the
    page's script asks status.json. `meta_refresh_seconds`: without JavaScript the page reloads itself after so long;
    None: it does not (any more). `check_url`: shown as *Check again* without JavaScript, and once the script has
    stopped asking.
    """

    key: str
    title: str
    heading: str
    text: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    poll: bool = False
    meta_refresh_seconds: int | None = None
    tone: str = "wait"
    show_receipt: bool = False
    show_pay_form: bool = False
    pay_action: str = ""
    check_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """The latest attempt of the order (by id), as the shopper's page needs it.

    `state`: of AttemptState. `url_given`: the shopper received the address of the provider's page; before that no
    money can move. `page_open`: at the last look the provider's page could still take money. `verified_at`: when the
    provider last answered a look; None before its first answer. `unreachable`: the last look had no answer
    (look_failures > 0). `pending_since`: when the shopper came back or the payment began to be processed, whichever is
    known first, else when the page was given out; counts towards "longer than usual" and bounds the reloads.
    `decline_reason`: value of DeclineReason, or "". `method`: what the receipt names, e.g. "Card or bank (Stripe)".
    """

    state: str
    url_given: bool = False
    page_open: bool = False
    verified_at: datetime | None = None
    unreachable: bool = False
    pending_since: datetime | None = None
    decline_reason: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyBack:
    """A refund as the shopper sees it: how much (formatted), when it was made, by when the bank shows it."""

    amount_display: str
    at: datetime
    arrives_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """All that is known of one order at the moment `now`.

    `paying`: the shopper is on /pay/… (asks to pay), not on the order's own page. `choosing`: on /pay/… they asked for
    another method (`?other=1`). `extra_display`: formatted sum of unapplied captures that are neither returned nor
    used yet, "" if none. `extra_at`: when the first of them came. `disputed_at`, `disputed_display`: an undecided
    dispute, or with `dispute_lost_at` one by which the bank gave the money back to the shopper. `refunds`: succeeded
    ones, oldest first; `extra_refunds`: those of money beyond what the order owed. Addresses: `pay_url` /pay/<token>/
    (GET shows, POST opens or continues), `order_url` /orders/<token>/, `check_url` what *Check again* follows
    (/pay/<token>/return/: it looks, then comes back), `again_url` (POST) makes a new basket of the same goods.
    `provider_count`: how many methods can be chosen; `ways_away`: the names of those that could be, and are not
    available just now. `zone`: in which times are told.
    """

    now: datetime
    order_number: int
    order_state: str
    total_display: str
    email: str
    placed_at: datetime
    expires_at: datetime
    pay_url: str
    order_url: str
    check_url: str
    again_url: str
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    attempt: AttemptView | None = None
    paying: bool = False
    choosing: bool = False
    extra_display: str = ""
    extra_at: datetime | None = None
    refunds: tuple[MoneyBack, ...] = ()
    refunded_display: str = ""
    extra_refunds: tuple[MoneyBack, ...] = ()
    disputed_at: datetime | None = None
    disputed_display: str = ""
    dispute_lost_at: datetime | None = None
    provider_count: int = 1
    ways_away: tuple[str, ...] = ()
    zone: tzinfo = UTC
