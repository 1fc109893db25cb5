"""What the database itself holds of refunds: their edges, their captures' limits, their postings.

Ours are refused beyond what is left of the capture, counted under the capture's row lock; theirs are money that has
moved already, so they are always recorded (DESIGN.md, Refund).
"""

from django.db import migrations

EDGES = "requested>pending pending>succeeded requested>failed pending>failed succeeded>failed"

GUARD_REFUND = f"""
CREATE TRIGGER refund_state_on_insert BEFORE INSERT ON payments_refund
  FOR EACH ROW EXECUTE FUNCTION shop_guard_state('refund', 'requested', '{EDGES}');
CREATE TRIGGER refund_state_on_update BEFORE UPDATE ON payments_refund
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION shop_guard_state('refund', 'requested', '{EDGES}');
"""

WITHIN_CAPTURE = """
CREATE FUNCTION payments_refund_within_capture() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  taken payments_capture%ROWTYPE;
  held numeric;
BEGIN
  SELECT * INTO taken FROM payments_capture WHERE id = NEW.capture_id FOR NO KEY UPDATE;
  IF (NEW.attempt_id, NEW.order_id, NEW.provider, NEW.account, NEW.currency)
     IS DISTINCT FROM (taken.attempt_id, taken.order_id, taken.provider, taken.account, taken.currency) THEN
    RAISE EXCEPTION 'refund of capture %: attempt, order, provider, account and currency are the capture''s',
      NEW.capture_id USING ERRCODE = 'check_violation';
  END IF;
  -- A statement of its own, so that it sees what committed while the lock was waited for.
  SELECT coalesce(sum(amount_minor), 0) INTO held
    FROM payments_refund WHERE capture_id = NEW.capture_id AND state <> 'failed';
  IF NEW.made_by = 'ours' AND held + NEW.amount_minor > taken.amount_minor THEN
    RAISE EXCEPTION 'refund of capture %: % of % are refunded or reserved, % more is too much',
      NEW.capture_id, held, taken.amount_minor, NEW.amount_minor
      USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_capture';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refund_within_capture BEFORE INSERT ON payments_refund
  FOR EACH ROW EXECUTE FUNCTION payments_refund_within_capture();
"""

FIXED = """
CREATE FUNCTION payments_refund_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a refund is never deleted' USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.reference, NEW.capture_id, NEW.attempt_id, NEW.order_id, NEW.provider, NEW.account, NEW.amount_minor,
      NEW.currency, NEW.made_by)
     IS DISTINCT FROM
     (OLD.reference, OLD.capture_id, OLD.attempt_id, OLD.order_id, OLD.provider, OLD.account, OLD.amount_minor,
      OLD.currency, OLD.made_by) THEN
    RAISE EXCEPTION 'refund %: what is given back, and out of what, is never changed', OLD.id
      USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.refund_id <> '' AND NEW.refund_id <> OLD.refund_id THEN
    RAISE EXCEPTION 'refund %: the provider''s id is never changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refund_is_fixed BEFORE UPDATE OR DELETE ON payments_refund
  FOR EACH ROW EXECUTE FUNCTION payments_refund_is_fixed();
"""

POSTED = """
CREATE FUNCTION payments_refund_posting(refund bigint, kind text, holder text) RETURNS numeric
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(e.amount_minor), 0) FROM payments_ledgertransaction t
  JOIN payments_ledgerentry e ON e.transaction_id = t.id
  WHERE t.cause_kind = kind AND t.cause_id = refund AND e.account = 'clearing:' || holder
$$;
CREATE FUNCTION payments_refund_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  posted numeric := payments_refund_posting(NEW.id, 'refund', NEW.provider);
  reversed numeric := payments_refund_posting(NEW.id, 'refund_reversal', NEW.provider);
BEGIN
  IF NEW.state = 'succeeded' AND posted <> -NEW.amount_minor THEN
    RAISE EXCEPTION 'refund % has no ledger posting of its amount', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state = 'failed' AND posted + reversed <> 0 THEN
    RAISE EXCEPTION 'refund % failed and its posting is not reversed', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refund_is_posted AFTER UPDATE ON payments_refund
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION payments_refund_is_posted();
"""

UNDO = """
DROP TRIGGER refund_is_posted ON payments_refund;
DROP TRIGGER refund_is_fixed ON payments_refund;
DROP TRIGGER refund_within_capture ON payments_refund;
DROP TRIGGER refund_state_on_insert ON payments_refund;
DROP TRIGGER refund_state_on_update ON payments_refund;
DROP FUNCTION payments_refund_is_posted(), payments_refund_is_fixed(), payments_refund_within_capture(),
  payments_refund_posting(bigint, text, text);
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0034_refunds")]
    operations = [migrations.RunSQL(GUARD_REFUND + WITHIN_CAPTURE + FIXED + POSTED, UNDO)]
