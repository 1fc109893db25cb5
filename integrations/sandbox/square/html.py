"""The link's page as HTML: plain, without JavaScript. Every value from outside is escaped here."""

from __future__ import annotations

from html import escape

from integrations.sandbox import page
from integrations.sandbox.square.cards import Wrong
from integrations.sandbox.wire import Json

_DECIMALS = {"JPY": 0}
_FIELDS = (
    ("number", "Card number", 'inputmode="numeric" autocomplete="cc-number" maxlength="23"',
     "A test card, for example 4111 1111 1111 1111."),
    ("expiry", "Expiry date (MM/YY)", 'inputmode="numeric" autocomplete="cc-exp" maxlength="7"', ""),
    ("cvc", "Security code (CVV)", 'inputmode="numeric" autocomplete="cc-csc" maxlength="4"', ""),
)  # fmt: skip


def display(money: Json) -> str:
    """An amount for people, like `49.90 EUR`; computed in integers."""
    decimals = _DECIMALS.get(money["currency"], 2)
    whole, rest = divmod(money["amount"], 10**decimals)
    return f"{whole:,}" + (f".{rest:0{decimals}d}" if decimals else "") + f" {money['currency']}"


def document(title: str, body: str) -> str:
    """A whole page of Square's checkout around its main content (already HTML)."""
    return page.document(title=title, body=body, stands_in_for="Square Checkout")


def message_page(title: str, text: str) -> str:
    """A page that says one thing."""
    return document(title, f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n")


def fields(wrong: Wrong | None = None) -> str:
    """The card's fields, of the page and of the frame. What was typed is never echoed."""
    return "\n".join(_field(name, label, attributes, hint, wrong) for name, label, attributes, hint in _FIELDS)


def _field(name: str, label: str, attributes: str, hint: str, wrong: Wrong | None) -> str:
    is_wrong = wrong is not None and wrong.field == name
    ids = [*([f"{name}-hint"] if hint else []), *(["error"] if is_wrong else [])]
    described = f' aria-describedby="{" ".join(ids)}"' if ids else ""
    note = f'<p class="hint" id="{name}-hint">{escape(hint)}</p>' if hint else ""
    invalid = ' aria-invalid="true"' if is_wrong else ""
    return (
        f'<label for="{name}">{escape(label)}</label>{note}'
        f'<input id="{name}" name="{name}" value="" required {attributes}{described}{invalid}>'
    )


def pay_page(order: Json, *, nonce: str, wrong: Wrong | None) -> str:
    """The open page: what is paid, and the card's form."""
    total = display(order["total_money"])
    rows = "".join(
        f'<tr><th scope="row">{escape(str(line.get("name", "Item")))}</th><td>{escape(line["quantity"])}</td>'
        f"<td>{display(line['total_money'])}</td></tr>\n"
        for line in order["line_items"]
    )
    alert = f'<div class="alert" id="error" role="alert">{escape(wrong.message)}</div>\n' if wrong else ""
    return document(
        f"{'Error: ' if wrong else ''}Pay {total}",
        f"<h1>Pay {total}</h1>\n{alert}"
        '<section aria-label="Your order"><table><caption>Your order</caption>\n'
        '<thead><tr><th scope="col">Item</th><th scope="col">Quantity</th><th scope="col">Amount</th></tr></thead>\n'
        f'<tbody>{rows}</tbody><tfoot><tr><th scope="row" colspan="2">Total</th><td>{total}</td></tr></tfoot>'
        "</table></section>\n"
        '<section aria-labelledby="card-heading"><h2 id="card-heading">Pay by card</h2>\n'
        '<form method="post" novalidate><input type="hidden" name="method" value="card">'
        f'<input type="hidden" name="attempt" value="{escape(nonce, quote=True)}">\n'
        f'{fields(wrong)}\n<button type="submit">Pay {total}</button></form></section>\n',
    )
