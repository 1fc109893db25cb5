"""Makes the back office's own site the admin site: INSTALLED_APPS names this instead of django.contrib.admin."""

from django.contrib.admin.apps import AdminConfig


class BackofficeConfig(AdminConfig):
    default_site = "payments.backoffice.site.BackofficeSite"
