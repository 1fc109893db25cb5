"""Openings of sealed values and the encryption keys seen are never rewritten, not by the owner's slip either."""

from django.db import migrations

TABLES = ("integrations_decryptionrecord", "integrations_encryptionkey")

APPEND_ONLY = "".join(
    f"""
    CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
      FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
      FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
    """
    for table in TABLES
)
UNDO = "".join(
    f"DROP TRIGGER {table}_append_only ON {table}; DROP TRIGGER {table}_no_truncate ON {table};" for table in TABLES
)


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_staff_mfa"),
        ("integrations", "0007_keys_and_openings"),
        ("orders", "0002_guards"),
    ]
    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
