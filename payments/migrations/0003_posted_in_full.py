"""A capture cannot commit unless its posting debits exactly its amount; before, a posting of any amount would do."""

from django.db import migrations

CAPTURE_IS_POSTED = """
CREATE OR REPLACE FUNCTION payments_capture_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM payments_ledgertransaction t
    JOIN payments_ledgerentry e ON e.transaction_id = t.id
    WHERE t.cause_kind = 'capture' AND t.cause_id = NEW.id AND t.currency = NEW.currency
      AND e.account = 'clearing:' || NEW.provider
    GROUP BY t.id HAVING sum(e.amount_minor) = NEW.amount_minor
  ) THEN
    RAISE EXCEPTION 'capture % has no ledger posting of its amount', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_guards")]
    operations = [migrations.RunSQL(CAPTURE_IS_POSTED, migrations.RunSQL.noop)]
