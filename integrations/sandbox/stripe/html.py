"""The hosted page's HTML: plain, without JavaScript, WCAG 2.2 AA. Every value from outside is escaped here."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from integrations.sandbox import page
from integrations.sandbox.stripe.currencies import display
from integrations.sandbox.wire import Json


@dataclass(frozen=True)
class FormError:
    """What is wrong with the form: a sentence, and the field it belongs to, if one."""

    message: str
    field: str | None = None
    code: str | None = None


@dataclass
class Filled:
    """What the shopper had typed and may see again. Card data is never echoed."""

    email: str = ""
    error: FormError | None = None
    nonce: str = ""


def document(*, title: str, body: str) -> str:
    """A whole page of Checkout around its main content (already HTML)."""
    return page.document(title=title, body=body, stands_in_for="Stripe Checkout")


def _order(session: Json, items: list[Json]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(str(item["description"]))}</th><td>{item["quantity"]}</td>'
        f"<td>{display(item['amount_total'], item['currency'])}</td></tr>\n"
        for item in items
    )
    total = display(session["amount_total"], session["currency"])
    return (
        '<section aria-label="Your order"><table><caption>Your order</caption>\n'
        '<thead><tr><th scope="col">Item</th><th scope="col">Quantity</th><th'
        ' scope="col">Amount</th></tr></thead>\n'
        f"<tbody>{rows}</tbody>\n"
        f'<tfoot><tr><th scope="row" colspan="2">Total</th><td>{total}</td></tr></tfoot></table></section>\n'
    )


def _input(name: str, label: str, *, filled: Filled, attributes: str, hint: str = "", prefix: str = "") -> str:
    error = filled.error
    wrong = error is not None and error.field == name and not prefix
    ids = [f"{prefix}{name}-hint"] if hint else []
    ids += ["error"] if wrong else []
    described = f' aria-describedby="{" ".join(ids)}"' if ids else ""
    invalid = ' aria-invalid="true"' if wrong else ""
    hint_html = f'<p class="hint" id="{prefix}{name}-hint">{escape(hint)}</p>' if hint else ""
    return (
        f'<label for="{prefix}{name}">{escape(label)}</label>{hint_html}'
        f'<input id="{prefix}{name}" name="{name}" {attributes}{described}{invalid} required>'
    )


def _email(session: Json, filled: Filled, prefix: str) -> str:
    fixed = session["customer_email"]
    value = escape(fixed or filled.email, quote=True)
    attributes = f'type="email" autocomplete="email" maxlength="512" value="{value}"' + (" readonly" if fixed else "")
    return _input("email", "Email", filled=filled, attributes=attributes, prefix=prefix)


def pay_page(*, session: Json, items: list[Json], filled: Filled) -> str:
    """The open page: the order, the card form, the bank debit form, the way back."""
    total = display(session["amount_total"], session["currency"])
    alert = ""
    if filled.error is not None:
        code = f' data-code="{escape(filled.error.code, quote=True)}"' if filled.error.code else ""
        alert = f'<div class="alert" id="error" role="alert"{code}>{escape(filled.error.message)}</div>\n'
    title = f"{'Error: ' if filled.error else ''}Pay {total}"
    body = f"<h1>Pay {total}</h1>\n{alert}{_order(session, items)}"
    if "card" in session["payment_method_types"]:
        body += _card_form(session, filled, total)
    if any(kind != "card" for kind in session["payment_method_types"]):
        body += _debit_form(session, filled, total)
    if session["cancel_url"]:
        back = escape(session["cancel_url"], quote=True)
        body += f'<p><a class="button second" href="{back}">Back to the shop</a></p>\n'
    return document(title=title, body=body)


def _card_form(session: Json, filled: Filled, total: str) -> str:
    nonce = f'<input type="hidden" name="attempt" value="{escape(filled.nonce, quote=True)}">'
    return (
        '<section aria-labelledby="card-heading"><h2 id="card-heading">Pay by card</h2>\n<form'
        ' method="post" novalidate>'
        f'<input type="hidden" name="method" value="card">{nonce}\n'
        + _email(session, filled, "")
        + "\n"
        + _input(
            "number", "Card number", filled=filled, hint="A test card, for example 4242 4242 4242 4242.",
            attributes='inputmode="numeric" autocomplete="cc-number" maxlength="23"')
        + '\n<div class="row"><div>'
        + _input("expiry", "Expiry date (MM/YY)", filled=filled,
                 attributes='inputmode="numeric" autocomplete="cc-exp" maxlength="7"')
        + "</div><div>"
        + _input("cvc", "Security code (CVC)", filled=filled,
                 attributes='inputmode="numeric" autocomplete="cc-csc" maxlength="4"')
        + f'</div></div>\n<button type="submit">Pay {total}</button></form></section>\n'
    )  # fmt: skip


def _debit_form(session: Json, filled: Filled, total: str) -> str:
    nonce = f'<input type="hidden" name="attempt" value="{escape(filled.nonce, quote=True)}">'
    return (
        '<section aria-labelledby="debit-heading"><h2 id="debit-heading">Pay by bank debit</h2>\n'
        '<p class="hint">A test bank account. The money arrives later, or the debit fails later.</p>\n'
        f'<form method="post" novalidate><input type="hidden" name="method" value="debit">{nonce}\n'
        + _email(session, filled, "debit-")
        + f'\n<button class="second" type="submit">Pay {total} by bank debit</button></form></section>\n'
    )


def message_page(*, title: str, text: str, link: tuple[str, str] | None = None) -> str:
    """A page that says one thing, with at most one way on: (label, URL)."""
    button = f'<p><a class="button" href="{escape(link[1], quote=True)}">{escape(link[0])}</a></p>' if link else ""
    return document(title=title, body=f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n{button}")


def challenge_page(*, amount: int, currency: str) -> str:
    """The bank's 3-D Secure page: one button each way."""
    return document(
        title="3-D Secure: confirm your payment",
        body=(
            "<h1>Confirm your payment</h1>\n<section><p>Your bank asks you to confirm "
            f"<strong>{display(amount, currency)}</strong> to Sandbox Shop.</p>\n"
            '<form method="post"><button type="submit" name="outcome" value="complete">Complete'
            " authentication</button>\n"
            '<button type="submit" class="second" name="outcome" value="fail">Fail'
            " authentication</button></form></section>"
        ),
    )
