"""Rows nobody looks for, so that plans and times of a search are those of large tables. Captures are left out: none
commits without its posting."""

from __future__ import annotations

from django.db import connection

STATEMENTS = """
INSERT INTO orders_order (token, state, currency, total_minor, email, locale, placed_at, expires_at)
  SELECT 'filler-' || n, 'placed', 'EUR', 1000 + n %% 9000, 'filler' || n || '@example.com', 'en_US',
         now() - n * interval '1 minute', now() FROM generate_series(1, %(rows)s) AS n;
INSERT INTO payments_paymentattempt (reference, order_id, provider, state, amount_minor, currency, created_at, mode,
    account, page_id, intent_id, page_url, page_open, look_number, applied_look, look_failures, look_error,
    decline_reason, decline_code)
  SELECT 'pa_filler-' || id, id, 'stripe', 'created', total_minor, 'EUR', now(), 'test', '', 'cs_filler' || id,
         'pi_filler' || id, '', false, 0, 0, 0, '', '', '' FROM orders_order WHERE token LIKE 'filler-%%';
INSERT INTO payments_providercall (attempt_id, operation, kind, idempotency_key, request, state, created_at, tries,
    fence, error_category, error)
  SELECT id, 'start', 'opens_page', 'key-filler' || id, '{}', 'answered', now(), 1, 1, '', ''
    FROM payments_paymentattempt WHERE reference LIKE 'pa_filler-%%';
INSERT INTO payments_providerevent (uid, provider, event_id, type, mode, account, api_version, state,
    provider_created_at, received_at, object_ids, page_id, intent_id, reference, body_sealed, body_sha256,
    correlation_id, tries, fence, error, attempt_id)
  SELECT gen_random_uuid(), 'stripe', 'evt_filler' || id, 't', 'test', '', '', 'processed', now(), now(), '{}', '', '',
         reference, '', '', 'cid-filler' || id, 0, 0, '', id
    FROM payments_paymentattempt WHERE reference LIKE 'pa_filler-%%';
INSERT INTO integrations_outboxevent (uid, fact, subject_kind, subject_id, payload, correlation_id, created_at)
  SELECT gen_random_uuid(), 'order.placed', 'order', id, '{}', 'cid-filler' || id, now()
    FROM orders_order WHERE token LIKE 'filler-%%';
INSERT INTO orders_transition (subject_kind, subject_id, sequence, from_state, to_state, event, forbidden, actor, cause,
    at, correlation_id)
  SELECT 'order', id, 99, 'placed', 'paid', 'paid', false, 't', 't', now(), 'cid-filler' || id
    FROM orders_order WHERE token LIKE 'filler-%%';
INSERT INTO payments_auditrecord (at, event, actor, subject_kind, subject_id, reason_code, reason, details,
    correlation_id)
  SELECT now(), 'e', 'a', 'order', id, '', '', '{}', 'cid-filler' || id FROM orders_order WHERE token LIKE 'filler-%%'
"""


def fill(rows: int) -> None:
    """Add so many rows to each table that a search reads."""
    with connection.cursor() as cursor:
        for statement in STATEMENTS.split(";\n"):
            cursor.execute(statement, {"rows": rows})
