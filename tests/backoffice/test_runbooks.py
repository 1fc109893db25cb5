"""Runbooks in the back office: every one opens, its links lead somewhere, and nothing in a page becomes HTML."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from payments.backoffice.markdown import html_of, title_of
from payments.cases import runbooks
from payments.models.case import CaseKind
from payments.roles import Role
from tests.staff import make_staff, sign_in

pytestmark = pytest.mark.django_db

CODES = sorted(runbooks.RUNBOOK_OF.values())


@pytest.fixture
def staff(client: Client) -> Client:
    return sign_in(client, make_staff(*Role))


@pytest.mark.parametrize("code", CODES)
def test_each_opens_and_its_links_lead_somewhere(code: str, staff: Client) -> None:
    answer = staff.get(f"/admin/runbooks/{code}/")
    assert answer.status_code == 200
    page = answer.content.decode()
    article = page[page.index("<article") : page.index("</article>")]
    assert [re.sub("<.*?>", "", heading) for heading in re.findall(r"<h2>(.*?)</h2>", article)] == list(
        runbooks.SECTIONS
    )
    assert "](" not in article, "a link was not understood"
    assert "**" not in article
    links = re.findall(r'href="([^"]+)"', article)
    assert all(link.startswith("/admin/") for link in links)
    for link in links:
        assert staff.get(link.replace("&amp;", "&")).status_code == 200, link


def test_all_of_them_are_listed(staff: Client) -> None:
    page = staff.get("/admin/runbooks/").content.decode()
    assert all(f"/admin/runbooks/{code}/" in page for code in CODES)


@pytest.mark.parametrize("code", ["no-such", "architecture", "stale_events"])
def test_no_other_page_is_shown(code: str, staff: Client) -> None:
    assert staff.get(f"/admin/runbooks/{code}/").status_code == 404


def test_strangers_do_not_read_them() -> None:
    assert Client().get("/admin/runbooks/").status_code == 302
    assert Client().get(f"/admin/runbooks/{CODES[0]}/").status_code == 302


@pytest.mark.parametrize("kind", CaseKind)
def test_a_kind_that_is_no_alert_has_no_runbook(kind: CaseKind) -> None:
    assert bool(runbooks.path_of(kind)) == (kind in runbooks.RUNBOOK_OF)


class TestMarkdown:
    def html(self, text: str) -> str:
        return str(html_of(text, link_to=lambda target: target if target.startswith("/admin/") else ""))

    def test_the_subset(self) -> None:
        assert self.html("# Title\n\n## Part\n\nOne\ntwo `a<b` **bold `c`** *so*.") == (
            "<h2>Part</h2>\n<p>One two <code>a&lt;b</code> <strong>bold <code>c</code></strong> <em>so</em>.</p>"
        )
        assert self.html("- one\n  more\n- two") == "<ul><li>one more</li><li>two</li></ul>"
        assert self.html("1. one\n2. two") == "<ol><li>one</li><li>two</li></ol>"
        assert self.html("## Part\n- one") == "<h2>Part</h2>\n<ul><li>one</li></ul>"
        assert title_of("# The title\n\ntext") == "The title"

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "- <img src=x onerror=alert(1)>",
            "## <b>x</b>",
            "`<script>`",
            "**<script>**",
            '[<script>](/admin/")',
            '[x](/admin/"onclick=alert(1))',
        ],
    )
    def test_nothing_becomes_html(self, text: str) -> None:
        html = self.html(text)
        assert not re.search(r"<(?!/?(?:h2|h3|p|ul|ol|li|code|strong|em|a)[ >])", html)
        assert not re.search(r"<[^>]*\son[a-z]+=", html)

    @pytest.mark.parametrize("target", ["javascript:alert", "https://evil.example/", "//evil.example", "../x.md"])
    def test_a_link_that_leads_elsewhere_is_its_text(self, target: str) -> None:
        assert self.html(f"[label]({target})") == "<p>label</p>"

    @pytest.mark.parametrize("target", ["javascript:alert(1)", "https://evil.example/admin/", '/admin/x"y', "/admin"])
    def test_the_pages_own_rule_lets_only_the_back_office_pass(self, target: str) -> None:
        from payments.backoffice.runbook_pages import _link_to

        assert _link_to(target) == ""
        assert _link_to("stale-events.md") == "/admin/runbooks/stale-events/"
        assert _link_to("/admin/monitoring/?over=days") == "/admin/monitoring/?over=days"
