"""CRM: HubSpot's CRM API v3. The shopper as a contact, the order as a deal (or an order), and the two associated.

Everything is an upsert: the contact by its e-mail, the deal by a property of unique values that holds our reference.
So repeating is safe by HubSpot's own rule, and nothing is looked for through its search, which lags behind writes.
Read in the OpenAPI descriptions that HubSpot publishes (HubSpot-public-api-spec-collection, August 2026).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from integrations.connectors.answers import verdict_of
from integrations.connectors.api import ApiConnector, ExternalIds, Job, Unexpected, call
from integrations.connectors.contract import CannotLookUp, Verdict
from integrations.connectors.options import PREFIX, Option, read_options
from integrations.connectors.payloads import decimal_amount, need, order_reference, plain
from integrations.facts import Fact
from integrations.failure import Failure

STATES = ("placed", "paid", "expired", "cancelled", "partially_refunded", "refunded")
OPTIONS = {
    "object": Option(says="What an order becomes: deals or orders", form="deals|orders", default="deals"),
    "id_property": Option(
        says="The property with unique values that holds our reference", form="[a-z0-9_]{1,100}", default="shop_order"
    ),
    "pipeline": Option(says="The pipeline's id, where orders are to stand in one", default=""),
    "prefix": PREFIX,
    **{
        f"stage_{state}": Option(says=f"The id of the pipeline's stage for orders that are {state}", default="")
        for state in STATES
    },
}
_NAMES = {
    "deals": ("dealname", "amount", "deal_currency_code", "pipeline", "dealstage"),
    "orders": ("hs_order_name", "hs_total_price", "hs_currency_code", "hs_pipeline", "hs_pipeline_stage"),
}
_WAIT_SECONDS = {"DAILY": 3600, "TEN_SECONDLY_ROLLING": 10, "SECONDLY": 2}
"""What a 429's policy means; HubSpot sends no Retry-After with it."""


class HubSpotConnector(ApiConnector):
    """The secret is the access token of a private app with the scopes to read and write contacts and deals (orders)."""

    kind = "hubspot"
    facts = frozenset(
        {
            *(Fact.ORDER_PLACED, Fact.ORDER_PAID, Fact.ORDER_EXPIRED, Fact.ORDER_CANCELLED, Fact.ORDER_REOPENED),
            *(Fact.REFUND_SUCCEEDED, Fact.REFUND_FAILED),
        }
    )
    options = OPTIONS
    reads_related = True

    def look(self, job: Job) -> ExternalIds | None:
        """Return the deal's and the contact's ids, if the deal says all that this message says."""
        options = read_options(job.receiver, OPTIONS)
        wanted = _properties(job, options)
        query = f"idProperty={options['id_property']}&properties={','.join(wanted)}&associations=contacts"
        path = f"/crm/v3/objects/{options['object']}/{quote(_reference(job, options), safe='')}?{query}"
        try:
            found = _call(job, "GET", path)
        except Unexpected as error:
            if error.answer.status == 404:
                return None
            raise
        contacts = found.get("associations", {}).get("contacts", {}).get("results", [])
        same = all(found["properties"].get(name) == value for name, value in wanted.items())
        return {"contact": contacts[0]["id"], options["object"][:-1]: found["id"]} if same and contacts else None

    def tell(self, job: Job) -> ExternalIds:
        """Upsert contact and deal, and associate them; where a later fact stands there already, only say so."""
        later = [one for one in job.message.related if one.occurred_at > job.message.occurred_at and one.delivered]
        if later:
            return later[-1].external_ids
        options = read_options(job.receiver, OPTIONS)
        email = need(job.message, "email")
        contact = _upsert(job, "contacts", "email", email, {"email": email})
        reference = _reference(job, options)
        deal = _upsert(job, options["object"], options["id_property"], reference, _properties(job, options))
        _call(job, "PUT", f"/crm/v4/objects/{options['object']}/{deal}/associations/default/contacts/{contact}")
        return {"contact": contact, options["object"][:-1]: deal}

    def meaning(self, answer: Unexpected, *, now: datetime) -> Verdict | None:
        """A 429 names its policy; a 207 has refused the one thing that was asked."""
        status, verdict = answer.answer.status, verdict_of(answer.answer, now=now)
        if status == 429 and verdict.retry_after_seconds is None:
            wait = _WAIT_SECONDS.get(str(answer.body.get("policyName", "")), 10)
            return Verdict(failure=verdict.failure, http_status=status, detail=verdict.detail, retry_after_seconds=wait)
        if status == 207:
            return Verdict(
                failure=Failure.PERMANENT, http_status=status, detail="HubSpot refused it in its batch (207)."
            )
        return None


def _reference(job: Job, options: dict[str, str]) -> str:
    return order_reference(job.message, prefix=options["prefix"])


def _properties(job: Job, options: dict[str, str]) -> dict[str, str]:
    """Return the deal as this message has it. HubSpot takes every value as text; what has no setting is left alone."""
    name, amount, currency, pipeline, stage = _NAMES[options["object"]]
    total = decimal_amount(job.message, need(job.message, "total_minor"))
    found = {
        name: f"Order {need(job.message, 'number')}",
        amount: plain(total),
        currency: need(job.message, "currency"),
        pipeline: options["pipeline"],
        stage: options.get(f"stage_{need(job.message, 'state')}", ""),
    }
    return {name: value for name, value in found.items() if value}


def _upsert(job: Job, kind: str, id_property: str, value: str, properties: dict[str, str]) -> str:
    """Create or update one object by a property of unique values; return HubSpot's id of it."""
    one = {"id": value, "idProperty": id_property, "properties": properties}
    answer = _call(job, "POST", f"/crm/v3/objects/{kind}/batch/upsert", {"inputs": [one]})
    results = answer.get("results", [])
    if len(results) != 1:
        raise CannotLookUp(f"HubSpot answered an upsert of one {kind} with {len(results)}.")
    return str(results[0]["id"])


def _call(job: Job, method: str, path: str, body: Any = None) -> Any:
    return call(job.receiver, method, path, headers={"authorization": f"Bearer {job.receiver.secrets[0]}"}, body=body)
