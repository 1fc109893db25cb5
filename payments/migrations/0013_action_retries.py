"""An approved act that cannot be done yet may note when to try again; nothing else of it may change."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION payments_guard_staffaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a staff action is never deleted' USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'requested' THEN
      RAISE EXCEPTION 'a new staff action must be requested, not %%', NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.state <> 'requested' THEN
    RAISE EXCEPTION 'staff action %%: %% is final', OLD.id, OLD.state USING ERRCODE = 'check_violation';
  END IF;
  IF (to_jsonb(NEW) - '{may_change}'::text[]) <> (to_jsonb(OLD) - '{may_change}'::text[]) THEN
    RAISE EXCEPTION 'staff action %%: what was asked for is never changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state = 'executed' AND EXISTS (
    SELECT 1 FROM payments_approval WHERE action_id = NEW.id AND decision <> 'approved'
  ) THEN
    RAISE EXCEPTION 'staff action %%: not approved', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
"""


def guard(columns: str) -> str:
    """Return the function that lets only these columns (as PostgreSQL writes an array) change."""
    return FUNCTION.replace("{may_change}", "{" + columns + "}").replace("%%", "%")


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_cases_close")]
    operations = [
        migrations.RunSQL(guard("state,finished_at,result,next_try_at"), guard("state,finished_at,result")),
    ]
