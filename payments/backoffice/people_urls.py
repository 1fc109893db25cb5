"""The pages of people: their own account, and those of an invitation, which stand outside the sign-in."""

from django.contrib import admin
from django.urls import path

from payments.backoffice import account, invitation_pages, people_pages

urlpatterns = [
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
