"""What the database itself holds of dangerous acts: asked for first, never rewritten, done only with its approval."""

from django.db import migrations

GUARD = """
CREATE FUNCTION payments_guard_staffaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a staff action is never deleted' USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'requested' THEN
      RAISE EXCEPTION 'a new staff action must be requested, not %', NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.state <> 'requested' THEN
    RAISE EXCEPTION 'staff action %: % is final', OLD.id, OLD.state USING ERRCODE = 'check_violation';
  END IF;
  IF (to_jsonb(NEW) - 'state' - 'finished_at' - 'result') <> (to_jsonb(OLD) - 'state' - 'finished_at' - 'result') THEN
    RAISE EXCEPTION 'staff action %: what was asked for is never changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state = 'executed' AND EXISTS (
    SELECT 1 FROM payments_approval WHERE action_id = NEW.id AND decision <> 'approved'
  ) THEN
    RAISE EXCEPTION 'staff action %: not approved', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER staffaction_guard BEFORE INSERT OR UPDATE OR DELETE ON payments_staffaction
  FOR EACH ROW EXECUTE FUNCTION payments_guard_staffaction();

CREATE FUNCTION payments_guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  asked_by integer;
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'an approval is never deleted' USING ERRCODE = 'check_violation';
  END IF;
  SELECT requested_by_id INTO asked_by FROM payments_staffaction WHERE id = NEW.action_id;
  IF NEW.requested_by_id IS DISTINCT FROM asked_by THEN
    RAISE EXCEPTION 'approval %: it names another requester than its action', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.decision <> '' THEN
    RAISE EXCEPTION 'approval %: a decision is final', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.action_id, NEW.requested_by_id, NEW.expires_at)
     IS DISTINCT FROM (OLD.action_id, OLD.requested_by_id, OLD.expires_at) THEN
    RAISE EXCEPTION 'approval %: what was asked for is never changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.decided_at IS NOT NULL AND NEW.decided_at >= NEW.expires_at THEN
    RAISE EXCEPTION 'approval %: expired before it was decided', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER approval_guard BEFORE INSERT OR UPDATE OR DELETE ON payments_approval
  FOR EACH ROW EXECUTE FUNCTION payments_guard_approval();
"""

UNDO = """
DROP TRIGGER approval_guard ON payments_approval;
DROP TRIGGER staffaction_guard ON payments_staffaction;
DROP FUNCTION payments_guard_approval(), payments_guard_staffaction();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_staff_actions")]
    operations = [migrations.RunSQL(GUARD, UNDO)]
