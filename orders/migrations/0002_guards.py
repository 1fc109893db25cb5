"""What the database itself holds of orders: states change through move() only, and transitions are never rewritten.

Edges stand here a second time on purpose: this copy binds the database, whatever code runs. A test compares both.
"""

from django.db import migrations

REFUSE_CHANGE = """
CREATE FUNCTION shop_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Only a test database sets this, so that it can be emptied between tests.
  IF TG_OP = 'TRUNCATE' AND current_setting('shop.allow_truncate', true) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
"""

GUARD_STATE = """
CREATE FUNCTION shop_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kind text := TG_ARGV[0];
  initial text := TG_ARGV[1];
  edges text[] := string_to_array(TG_ARGV[2], ' ');
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
  IF NOT EXISTS (
    SELECT 1 FROM orders_transition t
    WHERE t.subject_kind = kind AND t.subject_id = NEW.id AND NOT t.forbidden
      AND t.from_state = OLD.state AND t.to_state = NEW.state
      AND t.transaction_id = pg_current_xact_id()::text::bigint
  ) THEN
    RAISE EXCEPTION '% %: state changed outside move()', kind, NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
"""

EDGES = " ".join(
    (
        "placed>paid placed>cancelled placed>expired",
        "expired>placed cancelled>placed",
        "paid>partially_refunded paid>refunded partially_refunded>refunded",
        "refunded>paid refunded>partially_refunded partially_refunded>paid",
    )
)

GUARD_ORDER = f"""
CREATE TRIGGER order_state_on_insert BEFORE INSERT ON orders_order
  FOR EACH ROW EXECUTE FUNCTION shop_guard_state('order', 'placed', '{EDGES}');
CREATE TRIGGER order_state_on_update BEFORE UPDATE ON orders_order
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION shop_guard_state('order', 'placed', '{EDGES}');
"""

APPEND_ONLY = """
CREATE TRIGGER transition_append_only BEFORE UPDATE OR DELETE ON orders_transition
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER transition_no_truncate BEFORE TRUNCATE ON orders_transition
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]
    operations = [
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION shop_refuse_change()"),
        migrations.RunSQL(GUARD_STATE, "DROP FUNCTION shop_guard_state()"),
        migrations.RunSQL(
            GUARD_ORDER,
            "DROP TRIGGER order_state_on_insert ON orders_order; DROP TRIGGER order_state_on_update ON orders_order",
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER transition_append_only ON orders_transition;"
            "DROP TRIGGER transition_no_truncate ON orders_transition",
        ),
        migrations.RunSQL(
            # People read order numbers out: four digits from the start.
            "ALTER TABLE orders_order ALTER COLUMN id RESTART WITH 1001",
            migrations.RunSQL.noop,
        ),
    ]
