"""The back office's own pages beside the admin's: behind the admin's sign-in, but for those of an invitation.

Each view says who may open it (payments/backoffice/access.py).
"""

from django.contrib import admin
from django.urls import path

from payments.backoffice import account, acting, invitation_pages, people_pages

app_name = "backoffice"
urlpatterns = [
    path("act/<slug:operation>/<int:subject_id>/", admin.site.admin_view(acting.act), name="act"),
    path("actions/<int:action_id>/decide/", admin.site.admin_view(acting.decide), name="decide"),
    path("actions/<int:action_id>/withdraw/", admin.site.admin_view(acting.withdraw), name="withdraw"),
    path(
        "invitations/<int:invitation_id>/link/",
        admin.site.admin_view(people_pages.invitation_link),
        name="invitation_link",
    ),
    path("account/", admin.site.admin_view(account.overview), name="account"),
    path("account/password/", admin.site.admin_view(account.password), name="account_password"),
    path("account/authenticator/", admin.site.admin_view(account.authenticator), name="account_authenticator"),
    path("account/authenticator.svg", admin.site.admin_view(account.picture), name="account_picture"),
    path("account/backup-codes/", admin.site.admin_view(account.backup_codes), name="account_backup_codes"),
    path("account/sessions/end/", admin.site.admin_view(account.end_other_sessions), name="account_end_sessions"),
    path("account/tokens/<int:token_id>/", admin.site.admin_view(account.collect_token), name="account_collect"),
    path("account/tokens/<int:token_id>/revoke/", admin.site.admin_view(account.revoke_token), name="account_revoke"),
    path("invitation/", invitation_pages.accept, name="accept_invitation"),
    path("invitation/authenticator.svg", invitation_pages.picture, name="invitation_picture"),
    path("invitation/<slug:token>/", invitation_pages.follow, name="invitation"),
]
