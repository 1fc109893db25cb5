"""What `make demo` prints when it is ready: addresses, the sign-in, and a tour of what can go wrong."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from integrations.providers.wirings import WIRINGS
from payments.management.demo.parts import Secrets
from payments.management.demo.place import Addresses, Place
from payments.management.demo.seed import DECLINED_CARD

MANAGE = ".venv/bin/python manage.py"

_TOUR = """\
{rule}
 Ready in {seconds:.0f} s. Ctrl-C stops every process; data stay in var/.

   Shop       {shop}/
   Admin      {shop}/admin/   a code for any NAME: {manage} demo_code NAME
{staff}{api}   Receiver   {receiver}/   what a CRM or an ERP was told
   Mail       a line here for each; whole in {deliver_log}
   Logs       {logs}/
{sandboxes}

 A TOUR. Commands go into a second terminal, in {base_dir}
 Where it says new, an order is placed first; the number of any order that is not paid yet does as well.

 1  Pay. In the shop: basket, checkout, card 4242 4242 4242 4242, any date to come, any code.
    The order is paid, the receipt is mailed, and the receiver has order.paid once.
 2  Decline, then retry. Pay with {declined}: not enough money. Press "Back to the shop",
    Continue, and pay with 4242 4242 4242 4242: the same order is paid, once.
 3  Lose the webhook. The shopper pays and nobody tells the shop; watch the page that it names:
       {manage} trigger lost --order new
    Within half a minute the sweeper asks the provider by itself. Or ask now:
       {manage} reconcile --order N
 4  Duplicates and reordering: still one capture, one receipt, one fact each.
       {manage} trigger duplicate --order new
       {manage} trigger reorder --order new
 5  The receiver fails: deliveries are tried again, later and later (var/demo/logs/deliver.log).
       {manage} trigger receiver_down
       {manage} trigger paid --order new
       {manage} trigger receiver_up
    It says that it is gone for good: it is disabled, and what it refused is a dead letter. Back again, it is enabled,
    told of what it missed, and the dead letters are sent again under their old keys.
       {manage} trigger receiver_gone
       {manage} trigger paid --order new
       {manage} trigger receiver_up
       {manage} redeliver --all
 6  Refund with approval. In the admin as lead, on a paid order's page: Refund… goes at once up to 100.00; above it,
    finance approves. Or behind our back, in the provider's dashboard:
       {manage} trigger refunded --order N
 7  A dispute is answered once, with its evidence; a payout is explained to 0, or a Case says what is missing:
       {manage} trigger disputed --order N
       {manage} trigger payout
       {manage} trigger payout_unexplained
 8  All that can be provoked, from 3-D Secure to money that comes too late:
       {manage} trigger
{rule}"""


def text(addresses: Addresses, known: Secrets, place: Place, *, seconds: float) -> str:
    """Return it. `seconds`: how long it took to get ready."""
    return _TOUR.format(
        rule="-" * 100,
        seconds=seconds,
        shop=addresses.shop,
        sandboxes=_sandboxes(addresses),
        receiver=addresses.receiver,
        staff=_staff(known),
        api=_api(addresses),
        deliver_log=_short(place, "deliver.log"),
        logs=_short(place, "").rstrip("/"),
        base_dir=place.base_dir,
        declined=" ".join(DECLINED_CARD[start : start + 4] for start in range(0, 16, 4)),
        manage=MANAGE,
    )


def _sandboxes(addresses: Addresses) -> str:
    """Return a line for each provider's stand-in."""
    told = [f"{WIRINGS[provider].label} on {address}" for provider, address in addresses.sandboxes.items()]
    lines = [f"   Providers  stand-ins, without an account, a network or money: {told[0]}", *told[1:]]
    return ("\n" + " " * 14).join(lines)


def _staff(known: Secrets) -> str:
    """Return the lines with everybody's name and password, two on a line."""
    told = [f"{name:<13}{sign_in.password}" for name, sign_in in known.staff.items()]
    pairs = [told[start : start + 2] for start in range(0, len(told), 2)]
    return "".join(f"              {'     '.join(pair)}\n" for pair in pairs)


def _api(addresses: Addresses) -> str:
    """Return the line of the API's page, where this service has one."""
    try:
        return f"   API        {addresses.shop}{reverse('api:docs')}\n"
    except NoReverseMatch:
        return ""


def _short(place: Place, name: str) -> str:
    return f"{(place.logs / name).relative_to(place.base_dir)}"
