"""What the database itself holds of payouts: states by move() only, amounts fixed, a paid one posted; mirrors and bank
lines append-only."""

from django.db import migrations

EDGES = (
    "pending>in_transit pending>paid in_transit>paid pending>failed in_transit>failed paid>failed"
    " pending>cancelled in_transit>cancelled"
)

GUARD_STATE = f"""
CREATE TRIGGER payout_state_on_insert BEFORE INSERT ON payments_payout
  FOR EACH ROW EXECUTE FUNCTION shop_guard_state('payout', 'pending', '{EDGES}');
CREATE TRIGGER payout_state_on_update BEFORE UPDATE ON payments_payout
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION shop_guard_state('payout', 'pending', '{EDGES}');
"""

FIXED_AND_POSTED = """
CREATE FUNCTION payments_payout_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a payout is never deleted' USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.provider, NEW.account, NEW.payout_id, NEW.amount_minor, NEW.currency, NEW.automatic)
     IS DISTINCT FROM
     (OLD.provider, OLD.account, OLD.payout_id, OLD.amount_minor, OLD.currency, OLD.automatic) THEN
    RAISE EXCEPTION 'payout %: what the provider paid out is never changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER payout_is_fixed BEFORE UPDATE OR DELETE ON payments_payout
  FOR EACH ROW EXECUTE FUNCTION payments_payout_is_fixed();

CREATE FUNCTION payments_payout_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.amount_minor <> 0 AND NOT EXISTS (
    SELECT 1 FROM payments_ledgertransaction t
    JOIN payments_ledgerentry e ON e.transaction_id = t.id
    WHERE t.cause_kind = 'payout' AND t.cause_id = NEW.id AND t.currency = NEW.currency
      AND e.account = 'clearing:' || NEW.provider
    GROUP BY t.id HAVING sum(e.amount_minor) = -NEW.amount_minor
  ) THEN
    RAISE EXCEPTION 'payout % is paid and has no ledger posting of its amount', NEW.id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payout_is_posted AFTER UPDATE ON payments_payout
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.state = 'paid' AND OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION payments_payout_is_posted();
"""

TABLES = ("balanceentry", "payoutline", "bankline", "bankmatch")
APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON payments_{table}
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON payments_{table}
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
    for table in TABLES
)

UNDO = """
DROP TRIGGER payout_is_posted ON payments_payout;
DROP TRIGGER payout_is_fixed ON payments_payout;
DROP TRIGGER payout_state_on_insert ON payments_payout;
DROP TRIGGER payout_state_on_update ON payments_payout;
DROP FUNCTION payments_payout_is_posted(), payments_payout_is_fixed();
""" + "".join(
    f"DROP TRIGGER {table}_append_only ON payments_{table}; DROP TRIGGER {table}_no_truncate ON payments_{table};\n"
    for table in TABLES
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0028_payouts"), ("orders", "0002_guards")]
    operations = [migrations.RunSQL(GUARD_STATE + FIXED_AND_POSTED + APPEND_ONLY, UNDO)]
