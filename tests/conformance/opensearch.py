"""Every fact as a document in OpenSearch, for search and dashboards.

Indexing a document under its own id is an upsert: the delivery's key is the id, so repeating changes nothing.
"""

from __future__ import annotations

from integrations.connectors.api import ApiConnector, ExternalIds, Job, Unexpected, call
from integrations.connectors.options import Option, read_options


class OpenSearchConnector(ApiConnector):
    """The address is the cluster's; the secret is an API key, as OpenSearch encodes it."""

    kind = "opensearch"
    options = {"index": Option(says="The index that documents go into", form="[a-z0-9][a-z0-9._-]{0,80}")}

    def look(self, job: Job) -> ExternalIds | None:
        """Return the document's id if it stands there."""
        try:
            call(job.receiver, "GET", f"{self._document(job)}?_source=false", headers=self._headers(job))
        except Unexpected as error:
            if error.answer.status == 404 and error.body.get("found") is False:
                return None
            raise
        return {"document": job.message.key}

    def tell(self, job: Job) -> ExternalIds:
        """Write the document, once or again."""
        body = {"fact": job.message.fact, "at": job.message.occurred_at.isoformat(), **job.message.payload}
        call(job.receiver, "PUT", self._document(job), headers=self._headers(job), body=body, expect=(200, 201))
        return {"document": job.message.key}

    def _document(self, job: Job) -> str:
        return f"/{read_options(job.receiver, self.options)['index']}/_doc/{job.message.key}"

    def _headers(self, job: Job) -> dict[str, str]:
        return {"authorization": f"ApiKey {job.receiver.secrets[0]}"}
