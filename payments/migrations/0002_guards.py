"""What the database itself holds of money: states, ledger, captures (DESIGN.md, invariants 3 and 5).

Deferred triggers judge at commit, so that one transaction may write its rows in any order.
"""

from django.db import migrations

EDGES = " ".join(
    (
        "created>pending created>requires_action created>authorized created>paid created>failed created>cancelled",
        "pending>requires_action pending>authorized pending>paid pending>failed pending>cancelled",
        "requires_action>pending requires_action>authorized requires_action>paid requires_action>failed",
        "requires_action>cancelled authorized>paid authorized>failed authorized>cancelled",
        "failed>paid cancelled>paid",
        "paid>partially_refunded paid>refunded partially_refunded>refunded",
        "refunded>paid refunded>partially_refunded partially_refunded>paid",
    )
)

GUARD_ATTEMPT = f"""
CREATE TRIGGER attempt_state_on_insert BEFORE INSERT ON payments_paymentattempt
  FOR EACH ROW EXECUTE FUNCTION shop_guard_state('attempt', 'created', '{EDGES}');
CREATE TRIGGER attempt_state_on_update BEFORE UPDATE ON payments_paymentattempt
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION shop_guard_state('attempt', 'created', '{EDGES}');
"""

APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON payments_{table}
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON payments_{table}
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
    for table in ("ledgertransaction", "ledgerentry", "look")
)

LEDGER_BALANCES = """
CREATE FUNCTION payments_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  ledger_transaction bigint := CASE WHEN TG_TABLE_NAME = 'payments_ledgerentry'
    THEN (to_jsonb(NEW)->>'transaction_id')::bigint ELSE NEW.id END;
  entries bigint;
  total numeric;
BEGIN
  SELECT count(*), coalesce(sum(amount_minor), 0) INTO entries, total
    FROM payments_ledgerentry WHERE transaction_id = ledger_transaction;
  IF entries < 2 OR total <> 0 THEN
    RAISE EXCEPTION 'ledger transaction %: % entries sum to %, not to zero', ledger_transaction, entries, total
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledgerentry_balances AFTER INSERT ON payments_ledgerentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_ledger_balances();
CREATE CONSTRAINT TRIGGER ledgertransaction_balances AFTER INSERT ON payments_ledgertransaction
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_ledger_balances();
"""

CAPTURE = """
CREATE FUNCTION payments_capture_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a capture is never deleted' USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.provider, NEW.account, NEW.capture_id, NEW.amount_minor, NEW.currency, NEW.attempt_id, NEW.order_id)
     IS DISTINCT FROM
     (OLD.provider, OLD.account, OLD.capture_id, OLD.amount_minor, OLD.currency, OLD.attempt_id, OLD.order_id) THEN
    RAISE EXCEPTION 'capture %: what the provider took is never changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER capture_is_fixed BEFORE UPDATE OR DELETE ON payments_capture
  FOR EACH ROW EXECUTE FUNCTION payments_capture_is_fixed();

CREATE FUNCTION payments_capture_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM payments_ledgertransaction
                 WHERE cause_kind = 'capture' AND cause_id = NEW.id AND currency = NEW.currency) THEN
    RAISE EXCEPTION 'capture % has no ledger posting', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER capture_is_posted AFTER INSERT ON payments_capture
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_capture_is_posted();
"""

PAID_MEANS_CAPTURED = """
CREATE FUNCTION payments_paid_means_captured() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  subject bigint := CASE WHEN TG_TABLE_NAME = 'orders_order'
    THEN NEW.id ELSE (to_jsonb(NEW)->>'order_id')::bigint END;
  shop_order orders_order%ROWTYPE;
  exact boolean;
  applied boolean;
BEGIN
  SELECT * INTO shop_order FROM orders_order WHERE id = subject;
  SELECT count(*) > 0, coalesce(bool_and(amount_minor = shop_order.total_minor AND currency = shop_order.currency), false)
    INTO applied, exact FROM payments_capture WHERE order_id = subject AND disposition = 'applied';
  IF (shop_order.state IN ('paid', 'partially_refunded', 'refunded')) <> applied OR (applied AND NOT exact) THEN
    RAISE EXCEPTION 'order %: state % does not agree with its applied capture', subject, shop_order.state
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_paid_means_captured AFTER UPDATE ON orders_order
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION payments_paid_means_captured();
CREATE CONSTRAINT TRIGGER capture_applied_means_paid AFTER INSERT OR UPDATE ON payments_capture
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_paid_means_captured();
"""

UNDO = """
DROP TRIGGER order_paid_means_captured ON orders_order;
DROP TRIGGER capture_applied_means_paid ON payments_capture;
DROP TRIGGER capture_is_posted ON payments_capture;
DROP TRIGGER capture_is_fixed ON payments_capture;
DROP TRIGGER ledgerentry_balances ON payments_ledgerentry;
DROP TRIGGER ledgertransaction_balances ON payments_ledgertransaction;
DROP FUNCTION payments_paid_means_captured(), payments_capture_is_posted(), payments_capture_is_fixed(),
  payments_ledger_balances();
DROP TRIGGER ledgertransaction_append_only ON payments_ledgertransaction;
DROP TRIGGER ledgertransaction_no_truncate ON payments_ledgertransaction;
DROP TRIGGER ledgerentry_append_only ON payments_ledgerentry;
DROP TRIGGER ledgerentry_no_truncate ON payments_ledgerentry;
DROP TRIGGER look_append_only ON payments_look;
DROP TRIGGER look_no_truncate ON payments_look;
DROP TRIGGER attempt_state_on_insert ON payments_paymentattempt;
DROP TRIGGER attempt_state_on_update ON payments_paymentattempt;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("orders", "0002_guards")]
    operations = [
        migrations.RunSQL(
            GUARD_ATTEMPT + APPEND_ONLY + LEDGER_BALANCES + CAPTURE + PAID_MEANS_CAPTURED,
            UNDO,
        )
    ]
