"""People, roles and staff tokens: read here, changed by acts (payments/people/acts.py)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from payments.backoffice.base import AreaAdmin, ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.buttons import buttons
from payments.models import StaffToken, TotpDevice
from payments.models.staff import Invitation
from payments.people import role_groups
from payments.people import tokens as staff_tokens
from payments.people.acts import NOBODY_THEMSELVES
from payments.roles import TABLE, Area, Role, Verb, may

ON_A_PERSON = (
    "change_roles",
    "change_email",
    "issue_token",
    "reset_password",
    "reset_mfa",
    "start_over",
    "deactivate_person",
    "reactivate_person",
)


class InvitationInline(ReadOnlyInline[Invitation]):
    model = Invitation
    fk_name = "user"
    fields = ("kind", "created_at", "created_by", "expires_at", "linked_at", "ended_at", "used")
    readonly_fields = fields
    show_change_link = False


class TokenInline(ReadOnlyInline[StaffToken]):
    model = StaffToken
    fk_name = "user"
    fields = ("name", "scopes", "hint", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields


@admin.register(User)
class PersonAdmin(AreaAdmin[User]):
    """Who works here, as what, and when they were last in."""

    area = Area.PEOPLE
    actions = None
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "admin/people/people.html"
    change_form_template = "admin/people/person.html"
    list_display = ("username", "first_name", "their_roles", "last_login", "second_factor", "is_active")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "email")
    ordering = ("username",)
    fields = (
        "username",
        "first_name",
        "email",
        "their_roles",
        "second_factor",
        "is_active",
        "date_joined",
        "last_login",
    )
    readonly_fields = fields
    inlines = (InvitationInline, TokenInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Shoppers have no accounts; whoever is here but no staff has nothing to do with this screen."""
        enrolled = TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        people = super().get_queryset(request).filter(is_staff=True).prefetch_related("groups")
        return people.annotate(enrolled=Exists(enrolled))

    @admin.display(description="roles")
    def their_roles(self, user: User) -> str:
        """The roles, of those that open something here."""
        names = {group.name for group in user.groups.all()}
        return ", ".join(role for role in Role if role in names) or "none: opens nothing"

    @admin.display(description="second factor", boolean=True, ordering="enrolled")
    def second_factor(self, user: Any) -> bool:
        """Whether an authenticator is enrolled."""
        return bool(user.enrolled)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the invitation to whoever may invite."""
        offered = may(request.user, Verb.DO, self.area)
        return super().changelist_view(request, {"may_invite": offered, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Offer what may be done with this person, and say of the rest why it cannot."""
        user = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if user is not None and self.has_view_permission(request, user):
            now = timezone.now()
            context["buttons"] = buttons(request, ON_A_PERSON, user.pk)
            context["own"] = NOBODY_THEMSELVES if user.pk == request.user.pk else ""
            mine = Invitation.objects.filter(user=user, ended_at=None, expires_at__gt=now, created_by=request.user.pk)
            context["invitation"] = mine.first()
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


@admin.register(Group)
class RoleAdmin(AreaAdmin[Group]):
    """The roles as they stand in the database, and whether they are what the reviewed table says."""

    area = Area.PEOPLE
    actions = None
    show_facets = admin.ShowFacets.NEVER
    list_display = ("name", "people", "as_reviewed")
    ordering = ("name",)
    fields = ("name", "people", "may_do", "differences")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """The groups that mean something here."""
        active = Count("user", filter=Q(user__is_active=True, user__is_staff=True))
        return super().get_queryset(request).filter(name__in=list(Role)).annotate(people_count=active)

    @admin.display(description="people")
    def people(self, group: Any) -> int:
        """How many have it and can sign in."""
        return int(group.people_count)

    @admin.display(description="as reviewed", boolean=True)
    def as_reviewed(self, group: Group) -> bool:
        """Whether the group is what payments/roles.py says."""
        return not role_groups.drift_of(Role(group.name), group)

    @admin.display(description="may")
    def may_do(self, group: Group) -> str:
        """What the table gives the role."""
        role = Role(group.name)
        return "; ".join(f"{verbs[role]} {area.label}" for area, verbs in TABLE.items() if role in verbs)

    @admin.display(description="differences")
    def differences(self, group: Group) -> str:
        """What somebody changed by hand."""
        found = role_groups.drift_of(Role(group.name), group)
        return " ".join([*found, "Mend them with: manage.py sync_roles"]) if found else "none"


@admin.register(StaffToken)
class StaffTokenAdmin(ReadOnlyAdmin[StaffToken]):
    """Every staff token: whose, for what, until when, last used when."""

    area = Area.PEOPLE
    change_form_template = "admin/people/staff_token.html"
    list_display = ("name", "user", "scope_words", "stands", "expires_at", "last_used_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "expires_at", "last_used_at")
    search_fields = ("name", "user__username", "hint")
    list_select_related = ("user",)
    fields = (
        "name", "user", "scope_words", "stands", "hint", "issued_at", "issued_by", "collected_at", "expires_at",
        "last_used_at", "revoked_at", "revoked_by", "revoked_why",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="scopes")
    def scope_words(self, token: StaffToken) -> str:
        """What it is for."""
        return ", ".join(token.scopes)

    @admin.display(description="state")
    def stands(self, token: StaffToken) -> str:
        """Live, to be collected, expired or revoked."""
        return staff_tokens.state_of(token, at=timezone.now())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Offer to revoke it."""
        token = self.get_object(request, object_id)
        offered = token is not None and token.revoked_at is None and may(request.user, Verb.DO, self.area)
        return super().change_view(request, object_id, form_url, {"may_revoke": offered, **(extra_context or {})})
