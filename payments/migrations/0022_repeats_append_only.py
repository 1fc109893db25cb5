"""Who had a mail sent once more is never rewritten, not by the owner's slip either."""

from django.db import migrations

APPEND_ONLY = """
CREATE TRIGGER integrations_deliveryrepeat_append_only BEFORE UPDATE OR DELETE ON integrations_deliveryrepeat
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER integrations_deliveryrepeat_no_truncate BEFORE TRUNCATE ON integrations_deliveryrepeat
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
UNDO = """
DROP TRIGGER integrations_deliveryrepeat_no_truncate ON integrations_deliveryrepeat;
DROP TRIGGER integrations_deliveryrepeat_append_only ON integrations_deliveryrepeat;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0021_key_cases"), ("integrations", "0013_repeats"), ("orders", "0002_guards")]
    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
