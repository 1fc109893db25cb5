"""What the database itself holds of integration keys: a row keeps what it said, and a revoked one stays revoked."""

from django.db import migrations

GUARD = """
CREATE FUNCTION payments_guard_credential() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  may_change text[] := ARRAY['value_sealed', 'active_from', 'overlap_until', 'expires_at', 'owner', 'scope', 'revoked_at',
                             'revoked_by', 'revoke_reason', 'last_used_at', 'expiry_told_days'];
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'an integration key is revoked, never deleted' USING ERRCODE = 'check_violation';
  END IF;
  IF (to_jsonb(NEW) - may_change) <> (to_jsonb(OLD) - may_change) THEN
    RAISE EXCEPTION 'credential %: what it is does not change; rotate it', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.revoked_at IS NOT NULL
     AND (to_jsonb(NEW) - 'last_used_at'::text) <> (to_jsonb(OLD) - 'last_used_at'::text) THEN
    RAISE EXCEPTION 'credential %: it stays revoked', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.value_sealed IS NULL AND NEW.value_sealed IS NOT NULL THEN
    RAISE EXCEPTION 'credential %: an erased value does not come back', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.active_from IS NOT NULL AND NEW.active_from IS DISTINCT FROM OLD.active_from THEN
    RAISE EXCEPTION 'credential %: it was activated at %', OLD.id, OLD.active_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER credential_guard BEFORE UPDATE OR DELETE ON integrations_credential
  FOR EACH ROW EXECUTE FUNCTION payments_guard_credential();
"""

UNDO = """
DROP TRIGGER credential_guard ON integrations_credential;
DROP FUNCTION payments_guard_credential();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0019_audit_seals"), ("integrations", "0011_credentials")]
    operations = [migrations.RunSQL(GUARD, UNDO)]
