"""Takes django-q2's models out of the admin: whoever may edit a Schedule may run any function there is."""

import django_q.admin  # noqa: F401  registers them now, so that nothing registers them after us
from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success

for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
