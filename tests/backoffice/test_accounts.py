"""The pages on which people set what they sign in with: by an invitation, and for themselves."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.models import AuditRecord, Invitation, StaffToken
from payments.models.staff import InvitationKind
from payments.people import accounts as people
from payments.people import invitations, mfa
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import Role
from tests.staff import PASSWORD, enrol, make_staff, sign_in

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "a long new passphrase"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=timezone.get_default_timezone()), tick=False) as moved:
        yield moved


@pytest.fixture
def person() -> Any:
    return make_staff(Role.SUPPORT, name="sue")


def link_of(invitation: Invitation) -> str:
    token = invitations.new_link(invitation_id=invitation.pk, by=None, at=timezone.now())
    return reverse("backoffice:invitation", args=[token])


def key_on(page: str) -> bytes:
    found = re.search(r'Key: <code class="people-secret">([A-Z2-7 ]+)</code>', page)
    assert found, page
    return base64.b32decode(found[1].replace(" ", ""))


def codes_on(page: str) -> list[str]:
    return re.findall(r"<li><code>([a-z0-9-]+)</code></li>", page)


def code(key: bytes) -> str:
    return mfa.code_at(key, timezone.now())


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


class TestInvitation:
    @pytest.fixture
    def invitation(self) -> Invitation:
        admin = make_staff(Role.ADMIN)
        return people.create(
            username="ann", name="Ann", email="a@example.com", roles=[Role.SUPPORT], by=admin, at=timezone.now()
        )

    def test_from_the_link_to_the_first_sign_in(self, client: Client, invitation: Invitation, clock: Any) -> None:
        link = link_of(invitation)
        first = client.get(link)
        assert (first.status_code, first.headers["Location"]) == (302, "/admin/invitation/")
        page = client.get("/admin/invitation/").content.decode()
        assert link.rsplit("/", 2)[1] not in page
        key = key_on(page)
        assert key_on(client.get("/admin/invitation/").content.decode()) == key, "a reload shows the same key"
        said = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD, "code": code(key)}
        done = client.post("/admin/invitation/", said)
        assert done.status_code == 200
        assert "no-store" in done.headers["Cache-Control"]
        assert len(codes_on(done.content.decode())) == 10
        clock.shift(30)
        client.post("/admin/login/", {"username": "ann", "password": NEW_PASSWORD, "code": code(key)})
        assert is_in(client)
        assert client.get(link).status_code == 404
        assert client.get("/admin/invitation/").status_code == 404

    def test_the_picture_is_an_svg_for_this_session_alone(self, client: Client, invitation: Invitation) -> None:
        assert client.get("/admin/invitation/authenticator.svg").status_code == 404
        client.get(link_of(invitation))
        assert client.get("/admin/invitation/authenticator.svg").status_code == 404, "nothing was begun"
        page = client.get("/admin/invitation/").content.decode()
        picture = client.get("/admin/invitation/authenticator.svg")
        assert picture.headers["Content-Type"] == "image/svg+xml"
        assert "no-store" in picture.headers["Cache-Control"]
        root = ET.fromstring(picture.content)
        assert root.tag.endswith("svg")
        assert not [element for element in root.iter() if "style" in element.attrib or element.tag.endswith("script")]
        assert 'src="/admin/invitation/authenticator.svg"' in page
        assert Client().get("/admin/invitation/authenticator.svg").status_code == 404

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"new_password": "short", "again": "short"}, "too short"),
            ({"new_password": "12345678901234", "again": "12345678901234"}, "numeric"),
            ({"again": "something else entirely"}, "The two passwords differ"),
            ({"code": "000000"}, "does not fit"),
            ({"code": ""}, "required"),
        ],
    )
    def test_what_is_wrong_is_said_and_changes_nothing(
        self, client: Client, invitation: Invitation, wrong: dict[str, str], said: str
    ) -> None:
        client.get(link_of(invitation))
        key = key_on(client.get("/admin/invitation/").content.decode())
        right = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD, "code": code(key)}
        answer = client.post("/admin/invitation/", {**right, **wrong})
        assert answer.status_code == 422
        assert said in answer.content.decode()
        assert NEW_PASSWORD not in answer.content.decode()
        user = get_user_model().objects.get(username="ann")
        assert not user.has_usable_password()
        assert not mfa.is_enrolled(user)

    @pytest.mark.parametrize("token", ["x" * 43, "A", "_-_"])
    def test_a_guess_opens_nothing(self, client: Client, invitation: Invitation, token: str) -> None:
        link_of(invitation)
        client.get(reverse("backoffice:invitation", args=[token]))
        answer = client.get("/admin/invitation/")
        assert answer.status_code == 404
        assert b"Ask an administrator for a new one" in answer.content

    def test_looking_at_a_link_uses_nothing_up(self, client: Client, invitation: Invitation) -> None:
        link = link_of(invitation)
        for _ in range(3):
            Client().get(link)
            Client().head(link)
        client.get(link)
        assert client.get("/admin/invitation/").status_code == 200

    def test_whoever_is_signed_in_is_signed_out(self, client: Client, person: Any, invitation: Invitation) -> None:
        sign_in(client, person)
        client.get(link_of(invitation))
        assert not is_in(client)

    def test_it_wants_a_csrf_token(self, invitation: Invitation) -> None:
        client = Client(enforce_csrf_checks=True)
        client.get(link_of(invitation))
        assert client.post("/admin/invitation/", {"code": "1"}).status_code == 403

    def test_withdrawn_while_its_page_stood_open(self, client: Client, invitation: Invitation) -> None:
        client.get(link_of(invitation))
        key = key_on(client.get("/admin/invitation/").content.decode())
        invitations.withdraw(user=invitation.user, at=timezone.now())
        said = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD, "code": code(key)}
        assert client.post("/admin/invitation/", said).status_code == 404

    def test_a_lost_phone_needs_the_password(self, client: Client, person: Any, clock: Any) -> None:
        enrol(person, at=timezone.now())
        invitation = people.reset(user=person, kind=InvitationKind.MFA, by=None, at=timezone.now())
        client.get(link_of(invitation))
        key = key_on(client.get("/admin/invitation/").content.decode())
        for _ in range(2):
            refused = client.post("/admin/invitation/", {"password": "guess", "code": code(key)})
            assert b"That is not your password" in refused.content
        assert AccessAttempt.objects.get().failures_since_start == 2
        assert not mfa.is_enrolled(person)
        done = client.post("/admin/invitation/", {"password": PASSWORD, "code": code(key)})
        assert len(codes_on(done.content.decode())) == 10
        assert mfa.is_enrolled(person)

    def test_a_forgotten_password_needs_a_code(self, client: Client, person: Any, clock: Any) -> None:
        key = enrol(person, at=timezone.now())
        invitation = people.reset(user=person, kind=InvitationKind.PASSWORD, by=None, at=timezone.now())
        client.get(link_of(invitation))
        page = client.get("/admin/invitation/").content.decode()
        assert "people-qr" not in page
        said = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD}
        for expected in (422, 422, 422, 422, 429):
            assert client.post("/admin/invitation/", {**said, "code": "000000"}).status_code == expected
        clock.shift(timedelta(minutes=16))
        done = client.post("/admin/invitation/", {**said, "code": code(key)})
        assert done.status_code == 200
        assert not codes_on(done.content.decode())
        person.refresh_from_db()
        assert person.check_password(NEW_PASSWORD)


class TestOwnAccount:
    @pytest.fixture
    def key(self, person: Any, clock: Any) -> bytes:
        return enrol(person, at=timezone.now())

    @pytest.fixture
    def mine(self, client: Client, person: Any, key: bytes) -> Client:
        return sign_in(client, person)

    def test_the_overview_tells_how_it_stands(self, mine: Client, person: Any) -> None:
        mfa.new_backup_codes(user=person, at=timezone.now())
        page = mine.get("/admin/account/").content.decode()
        assert "Support" in page
        assert "<dd>10</dd>" in page

    def test_another_password_ends_all_other_sessions(self, mine: Client, person: Any) -> None:
        other = sign_in(Client(), person)
        assert is_in(other)
        said = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD}
        before = mine.session.session_key
        assert mine.post("/admin/account/password/", said).status_code == 302
        assert is_in(mine)
        assert mine.session.session_key != before
        assert not is_in(other)
        person.refresh_from_db()
        assert person.check_password(NEW_PASSWORD)

    @pytest.mark.parametrize(
        "path", ["password/", "authenticator/", "backup-codes/", "tokens/{token}/"], ids=lambda path: path.split("/")[0]
    )
    def test_each_change_takes_a_step_up(self, mine: Client, person: Any, key: bytes, clock: Any, path: str) -> None:
        token = staff_tokens.issue(
            user=person, name="x", scopes=[Scope.ORDERS_READ], days=1, by=person, at=timezone.now()
        )
        clock.shift(301)
        url = "/admin/account/" + path.format(token=token.pk)
        said = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD}
        for wrong in ({}, {"password": PASSWORD, "code": "000000"}):
            refused = mine.post(url, {**said, **wrong})
            assert refused.status_code == 422
            assert "Show that it is you" in refused.content.decode()
        person.refresh_from_db()
        token.refresh_from_db()
        assert person.check_password(PASSWORD)
        assert mfa.in_enrolment(person) is None
        assert mfa.backup_codes_left(person) == 0
        assert token.collected_at is None
        clock.shift(60)
        assert mine.post(url, {**said, "password": PASSWORD, "code": code(key)}).status_code in (200, 302)

    def test_another_authenticator(self, mine: Client, person: Any, key: bytes, clock: Any) -> None:
        other = sign_in(Client(), person)
        page = mine.get("/admin/account/authenticator/").content.decode()
        new = key_on(page)
        assert mine.get("/admin/account/authenticator.svg").status_code == 200
        assert b"does not fit" in mine.post("/admin/account/authenticator/", {"code": "000000"}).content
        assert is_in(other), "the old one counts until then"
        clock.shift(60)
        done = mine.post("/admin/account/authenticator/", {"code": code(new)})
        assert len(codes_on(done.content.decode())) == 10
        assert is_in(mine)
        assert not is_in(other)
        clock.shift(60)
        assert mfa.verify(user=person, code=code(key), at=timezone.now()) is None
        clock.shift(60)
        assert mfa.verify(user=person, code=code(new), at=timezone.now()) is not None

    def test_the_picture_is_not_shown_at_an_unlocked_machine(self, mine: Client, clock: Any) -> None:
        mine.get("/admin/account/authenticator/")
        clock.shift(301)
        assert mine.get("/admin/account/authenticator.svg").status_code == 404

    def test_in_by_a_backup_code_then_a_new_phone(self, person: Any, key: bytes, clock: Any) -> None:
        backup, *_ = mfa.new_backup_codes(user=person, at=timezone.now())
        client = Client()
        client.post("/admin/login/", {"username": "sue", "password": PASSWORD, "code": backup})
        assert is_in(client)
        new = key_on(client.get("/admin/account/authenticator/").content.decode())
        assert client.post("/admin/account/authenticator/", {"code": code(new)}).status_code == 200
        assert is_in(client), "the codes it came in with are gone; the session stays with the new phone"

    def test_new_backup_codes_are_shown_once(self, mine: Client, person: Any) -> None:
        assert mine.get("/admin/account/backup-codes/").status_code == 200
        assert mfa.backup_codes_left(person) == 0, "looking makes none"
        first = codes_on(mine.post("/admin/account/backup-codes/").content.decode())
        second = codes_on(mine.post("/admin/account/backup-codes/").content.decode())
        assert not set(first) & set(second)
        assert mfa.backup_codes_left(person) == 10

    def test_sign_out_everywhere_else(self, mine: Client, person: Any, clock: Any) -> None:
        other = sign_in(Client(), person)
        clock.shift(1)
        assert mine.get("/admin/account/sessions/end/").status_code == 405
        mine.post("/admin/account/sessions/end/")
        assert is_in(mine)
        assert not is_in(other)

    def test_a_token_is_shown_once_and_only_to_its_owner(self, mine: Client, person: Any) -> None:
        admin = make_staff(Role.ADMIN)
        token = staff_tokens.issue(
            user=person, name="x", scopes=[Scope.ORDERS_READ], days=1, by=admin, at=timezone.now()
        )
        theirs = sign_in(Client(), admin)
        assert b"spt_" not in theirs.post(f"/admin/account/tokens/{token.pk}/", follow=True).content
        shown = mine.post(f"/admin/account/tokens/{token.pk}/")
        assert "no-store" in shown.headers["Cache-Control"]
        secret = re.search(r"spt_[A-Za-z0-9_-]{43}", shown.content.decode())
        assert secret is not None
        assert staff_tokens.find(secret[0], at=timezone.now()) == token
        assert b"spt_" not in mine.post(f"/admin/account/tokens/{token.pk}/", follow=True).content
        theirs.post(f"/admin/account/tokens/{token.pk}/revoke/")
        assert StaffToken.objects.get().revoked_at is None
        mine.post(f"/admin/account/tokens/{token.pk}/revoke/")
        assert StaffToken.objects.get().revoked_by == person

    def test_all_of_it_is_recorded(self, mine: Client) -> None:
        said = {"new_password": NEW_PASSWORD, "again": NEW_PASSWORD}
        mine.post("/admin/account/password/", said)
        mine.post("/admin/account/backup-codes/")
        mine.post("/admin/account/sessions/end/")
        told = set(AuditRecord.objects.values_list("event", flat=True))
        assert {"password_changed", "backup_codes_renewed", "session_ended"} <= told


class TestPeopleScreens:
    @pytest.fixture
    def admin(self) -> Any:
        return make_staff(Role.ADMIN, name="root")

    def test_the_link_is_made_by_whoever_invited(self, client: Client, admin: Any) -> None:
        invitation = people.create(
            username="ann", name="Ann", email="a@example.com", roles=[], by=admin, at=timezone.now()
        )
        url = reverse("backoffice:invitation_link", args=[invitation.pk])
        sign_in(client, admin)
        page = client.get(reverse("admin:auth_user_change", args=[invitation.user_id])).content.decode()
        assert url in page
        assert client.get(url).status_code == 200
        assert Invitation.objects.get().digest is None, "looking makes none"
        shown = client.post(url)
        assert "no-store" in shown.headers["Cache-Control"]
        found = re.search(r"/admin/invitation/([A-Za-z0-9_-]+)/", shown.content.decode())
        assert found is not None
        assert Client().get(found[0]).status_code == 302
        other = sign_in(Client(), make_staff(Role.ADMIN))
        assert other.post(url).status_code == 403

    def test_a_persons_page_offers_what_may_be_done_and_says_why_not(self, client: Client, admin: Any) -> None:
        person = make_staff(Role.SUPPORT)
        enrol(person, at=timezone.now())
        url = reverse("admin:auth_user_change", args=[person.pk])
        page = sign_in(client, admin).get(url).content.decode()
        assert f"/admin/act/change_roles/{person.pk}/" in page
        assert 'Activate again: <span class="help">The account is active.' in page
        own = reverse("admin:auth_user_change", args=[admin.pk])
        refused = ((make_staff(Role.AUDITOR), url, "Admin can."), (admin, own, "Nobody changes their own account"))
        for reader, address, sentence in refused:
            shown = sign_in(Client(), reader).get(address).content.decode()
            assert sentence in shown
            assert "/admin/act/" not in shown

    def test_the_list_tells_roles_and_second_factor(self, client: Client, admin: Any) -> None:
        make_staff(Role.LEAD, Role.FINANCE, name="lou")
        get_user_model().objects.create_user("shopper")
        page = sign_in(client, admin).get("/admin/auth/user/").content.decode()
        assert "Lead, Finance" in page
        assert "shopper" not in page
        assert "/admin/act/invite_person/0/" in page

    def test_no_filter_tells_a_password_letter_by_letter(self, client: Client, admin: Any) -> None:
        sign_in(client, admin)
        for query in ("?password__startswith=md5", "?staff_tokens__digest__startswith=a"):
            assert client.get(f"/admin/auth/user/{query}").status_code == 400
        assert client.get("/admin/payments/stafftoken/?digest__startswith=a").status_code == 400

    def test_the_roles_screen_names_drift(self, client: Client, admin: Any) -> None:
        from django.contrib.auth.models import Group

        group = Group.objects.get(name=Role.SUPPORT)
        group.permissions.clear()
        page = sign_in(client, admin).get(reverse("admin:auth_group_change", args=[group.pk])).content.decode()
        assert "Support lacks do_note." in page
        assert sign_in(client, admin).get("/admin/auth/group/").status_code == 200

    def test_a_tokens_page_offers_to_revoke_it(self, client: Client, admin: Any, person: Any) -> None:
        token = staff_tokens.issue(
            user=person, name="x", scopes=[Scope.ORDERS_READ], days=1, by=admin, at=timezone.now()
        )
        url = reverse("admin:payments_stafftoken_change", args=[token.pk])
        assert f"/admin/act/revoke_token/{token.pk}/" in sign_in(client, admin).get(url).content.decode()
        auditor = sign_in(Client(), make_staff(Role.AUDITOR))
        assert "revoke_token" not in auditor.get(url).content.decode()
        assert auditor.get("/admin/payments/stafftoken/").status_code == 200
