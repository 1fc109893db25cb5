"""A changed state needs the *last* Transition row to tell of it, not any row of the same transaction.

An order that was expired and reopened in one transaction could otherwise be expired a second time without a row.
"""

from django.db import migrations

GUARD_STATE = """
CREATE OR REPLACE FUNCTION shop_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kind text := TG_ARGV[0];
  initial text := TG_ARGV[1];
  edges text[] := string_to_array(TG_ARGV[2], ' ');
  told boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> initial THEN
      RAISE EXCEPTION 'a new % must be %, not %', kind, initial, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NOT (OLD.state || '>' || NEW.state) = ANY (edges) THEN
    RAISE EXCEPTION '% %: no edge from % to %', kind, NEW.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  SELECT t.from_state = OLD.state AND t.to_state = NEW.state AND t.transaction_id = pg_current_xact_id()::text::bigint
    INTO told FROM orders_transition t
    WHERE t.subject_kind = kind AND t.subject_id = NEW.id AND NOT t.forbidden
    ORDER BY t.sequence DESC LIMIT 1;
  IF told IS NOT TRUE THEN
    RAISE EXCEPTION '% %: state changed outside move()', kind, NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_guards")]
    operations = [migrations.RunSQL(GUARD_STATE, migrations.RunSQL.noop)]
