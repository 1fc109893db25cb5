"""The table of the shared cache (settings.CACHES), as `createcachetable` would make it, but unlogged: it may be lost."""

from django.db import migrations

CREATE = """
CREATE UNLOGGED TABLE config_cache (
  cache_key varchar(255) PRIMARY KEY,
  value text NOT NULL,
  expires timestamptz NOT NULL
);
CREATE INDEX config_cache_expires ON config_cache (expires);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(CREATE, "DROP TABLE config_cache")]
