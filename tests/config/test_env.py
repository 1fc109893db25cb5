"""The environment is read whole, or refused with every problem at once, none of which shows a value."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from config import env
from config.readers import EnvironmentInvalid
from config.variables import PROVIDER_KEYS, TABLE
from tests.config.production import PRODUCTION

KEY = base64.b64encode(bytes(range(32))).decode()


def load(base_dir: Path, /, **changes: str | None) -> env.Env:
    """Read the changes alone."""
    return env.load({name: value for name, value in changes.items() if value is not None}, base_dir=base_dir)


def problems(base_dir: Path, /, **changes: str | None) -> str:
    """Return what is said of production's environment with changes; None takes a variable away."""
    with pytest.raises(EnvironmentInvalid) as refused:
        load(base_dir, **{**PRODUCTION, **changes})
    return str(refused.value)


class TestWhichEnvironment:
    def test_nothing_set_is_the_demo(self, tmp_path: Path) -> None:
        read = load(tmp_path)
        assert read.environment == "demo"
        assert read.embedded_database
        assert not read.deployed

    @pytest.mark.parametrize("name", ["DATABASE_URL", *(name for names in PROVIDER_KEYS.values() for name in names)])
    def test_unset_is_refused_beside_a_database_or_any_provider_key(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(EnvironmentInvalid, match=f"ENVIRONMENT is unset although {name} is set"):
            load(tmp_path, **{name: "postgresql://a@b/c"})

    def test_a_key_from_a_file_counts_as_set(self, tmp_path: Path) -> None:
        with pytest.raises(EnvironmentInvalid, match="ENVIRONMENT is unset although STRIPE_API_KEY is set"):
            load(tmp_path, STRIPE_API_KEY_FILE="/run/secrets/stripe")

    def test_an_address_of_an_api_is_no_key(self, tmp_path: Path) -> None:
        assert load(tmp_path, STRIPE_API_BASE="http://127.0.0.1:9").environment == "demo"

    def test_an_unknown_one_is_refused(self, tmp_path: Path) -> None:
        assert "Use one of demo, test, staging, production" in problems(tmp_path, ENVIRONMENT="prod")


class TestProduction:
    def test_reads(self, tmp_path: Path) -> None:
        read = load(tmp_path, **PRODUCTION)
        assert read.deployed
        assert read.database["USER"], read.database_owner["USER"] == ("shop_app", "shop_owner")
        assert read.database["OPTIONS"] == {"sslmode": "verify-full"}
        assert read.encryption_keys == {"k1": bytes(range(32))}
        assert read.payments_providers == ("stripe",)
        assert read.stripe.api_base == "https://api.stripe.com"
        assert read.email_from == "no-reply@shop.example"
        assert not (tmp_path / "var").exists(), "nothing is made up where people pay"

    @pytest.mark.parametrize("name", [name for name, row in TABLE.items() if "production" in row.required_in])
    def test_each_required_variable_is_asked_for_with_its_meaning(self, tmp_path: Path, name: str) -> None:
        said = problems(tmp_path, **{name: ""})
        assert f"{name} is " in said
        if name != "ENVIRONMENT":
            assert f"Set {name}" in said
            assert TABLE[name].meaning in said

    def test_everything_missing_is_said_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(EnvironmentInvalid) as refused:
            load(tmp_path, ENVIRONMENT="production")
        missing = {name for name, row in TABLE.items() if "production" in row.required_in} - {"ENVIRONMENT"}
        assert missing == {problem.split()[0] for problem in refused.value.problems}

    def test_no_problem_shows_a_value(self, tmp_path: Path) -> None:
        bad = {
            "SECRET_KEY": "short-visible",
            "DATABASE_URL": "postgresql://shop_app:{}@db.example:port/shop".format("visible"),
            "DATABASE_OWNER_URL": "mysql://visible",
            "ENCRYPTION_KEYS": "k1:visible",
            "EMAIL_URL": "ftp://visible",
            "STRIPE_WEBHOOK_SECRETS": "visible",
            "REDIS_URL": "visible",
        }
        said = problems(tmp_path, **bad)
        assert "visible" not in said
        assert set(bad) <= {line.split()[1] for line in said.splitlines()[1:]}

    def test_the_owner_is_another_role_in_the_same_database(self, tmp_path: Path) -> None:
        assert "names the same role" in problems(tmp_path, DATABASE_OWNER_URL=PRODUCTION["DATABASE_URL"])
        other = PRODUCTION["DATABASE_OWNER_URL"].replace("/shop?", "/other?")
        assert "names another database" in problems(tmp_path, DATABASE_OWNER_URL=other)

    def test_staging_may_do_without_an_owner(self, tmp_path: Path) -> None:
        read = load(tmp_path, **{**PRODUCTION, "ENVIRONMENT": "staging", "DATABASE_OWNER_URL": None})
        assert read.database_owner == read.database


class TestSecretsInFiles:
    def test_are_read_without_the_last_line_break(self, tmp_path: Path) -> None:
        for name, row in TABLE.items():
            if row.secret and name in PRODUCTION:
                (tmp_path / name).write_text(PRODUCTION[name] + "\n")
        changes = {name: value for name, value in PRODUCTION.items() if not TABLE[name].secret}
        files = {f"{name}_FILE": str(tmp_path / name) for name in PRODUCTION if TABLE[name].secret}
        assert load(tmp_path, **changes, **files) == load(tmp_path, **PRODUCTION)

    def test_both_ways_at_once_is_refused(self, tmp_path: Path) -> None:
        assert "Keep one of them" in problems(tmp_path, SECRET_KEY_FILE="/dev/null")

    def test_a_file_that_is_away_or_empty_is_refused(self, tmp_path: Path) -> None:
        away = problems(tmp_path, SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "away"))
        assert "SECRET_KEY_FILE cannot be read: No such file" in away
        assert "names an empty file" in problems(tmp_path, SECRET_KEY=None, SECRET_KEY_FILE="/dev/null")

    def test_what_is_no_secret_has_no_file(self, tmp_path: Path) -> None:
        assert "PUBLIC_BASE_URL is missing" in problems(
            tmp_path, PUBLIC_BASE_URL=None, PUBLIC_BASE_URL_FILE="/etc/hosts"
        )


class TestDemo:
    def test_secrets_are_made_once_and_readable_to_us_alone(self, tmp_path: Path) -> None:
        first, second = load(tmp_path), load(tmp_path)
        assert first == second
        assert len(first.secret_key) >= 64
        assert [len(key) for key in first.encryption_keys.values()] == [32]
        files = list((tmp_path / "var" / "secrets").iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert len(files) == 3

    def test_another_checkout_has_others(self, tmp_path: Path) -> None:
        assert load(tmp_path / "a").secret_key != load(tmp_path / "b").secret_key

    def test_talks_to_the_sandbox(self, tmp_path: Path) -> None:
        read = load(tmp_path)
        assert read.payments_providers == ("stripe",)
        assert read.stripe.api_key.startswith("sk_test_")
        assert read.stripe.api_base.startswith("http://127.0.0.1:")
        assert read.stripe.webhook_secrets[0].startswith("whsec_")
        assert read.stripe.webhook_secrets[0] in read.secret_values

    def test_a_command_beside_make_demo_meets_its_sandbox(self, tmp_path: Path) -> None:
        self.demo_was_run(tmp_path)
        assert load(tmp_path).stripe.api_base == "http://127.0.0.1:4011"
        assert load(tmp_path, ENVIRONMENT="test").stripe.api_base != "http://127.0.0.1:4011"

    @pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_API_KEY", "NMI_SECURITY_KEY"])
    def test_which_makes_no_demo_of_more_than_a_demo(self, tmp_path: Path, name: str) -> None:
        self.demo_was_run(tmp_path)
        with pytest.raises(EnvironmentInvalid, match="ENVIRONMENT is unset although"):
            load(tmp_path, **{name: "postgresql://a@b/c"})

    def demo_was_run(self, base_dir: Path) -> None:
        kept = base_dir / "var" / "demo" / "environment.json"
        kept.parent.mkdir(parents=True)
        kept.write_text(json.dumps({"STRIPE_API_KEY": "sk_" + "test_1", "STRIPE_API_BASE": "http://127.0.0.1:4011"}))

    def test_a_key_of_ones_own_goes_to_stripe(self, tmp_path: Path) -> None:
        read = load(tmp_path, ENVIRONMENT="demo", STRIPE_API_KEY="sk_" + "test_" + "1" * 24)
        assert read.stripe.api_base == "https://api.stripe.com"
        assert read.stripe.webhook_secrets == ()

    def test_says_what_to_set_where_nothing_can_be_kept(self, tmp_path: Path) -> None:
        (tmp_path / "var").write_text("no directory")
        with pytest.raises(EnvironmentInvalid, match=r"SECRET_KEY is unset, and .* cannot keep one"):
            load(tmp_path)


REFUSED = [
    ("SECRET_KEY", "x" * 80, "too weak"),
    ("SECRET_KEY", "one\ntwo" * 10, "more than one line"),
    ("ENCRYPTION_KEYS", f"k1:{KEY},k1:{KEY}", "the id k1 twice"),
    ("ENCRYPTION_KEYS", f"k 1:{KEY}", "no usable id in its entry 1"),
    ("ENCRYPTION_KEYS", f"{KEY}", "no usable id"),
    ("ENCRYPTION_KEYS", "k1:" + base64.b64encode(bytes(16)).decode(), "no 32 random bytes"),
    ("ENCRYPTION_KEYS", "k1:" + base64.b64encode(bytes(32)).decode(), "no 32 random bytes"),
    ("ENCRYPTION_KEYS", ",", "no usable key"),
    ("PUBLIC_BASE_URL", "https://shop.example/path", "no plain http"),
    ("PUBLIC_BASE_URL", "https://user@shop.example", "no plain http"),
    ("PUBLIC_BASE_URL", "shop.example", "no plain http"),
    ("PUBLIC_BASE_URL", "https://shop.example:99999", "no plain http"),
    ("TRUSTED_PROXIES", "proxy.local", "no address or network"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "no address or network"),
    ("TRUSTED_PROXIES", "0.0.0.0/0", "trusts the whole internet"),
    ("WEBHOOK_IP_ALLOWLISTS", "3.18.12.63", "cannot be understood"),
    ("WEBHOOK_IP_ALLOWLISTS", "stripe=", "cannot be understood"),
    ("WEBHOOK_IP_ALLOWLISTS", "stripe=1.2.3.4;stripe=1.2.3.5", "cannot be understood"),
    ("WEBHOOK_IP_ALLOWLISTS", "stripe=1.2.3", "no address or network"),
    ("OUTGOING_ADDRESSES", "9.9.9", "no address or network"),
    ("EMAIL_URL", "smtp://mail.example?tls=maybe", "cannot be understood"),
    ("EMAIL_URL", "smtps://mail.example?tls=none", "cannot be understood"),
    ("EMAIL_URL", "smtp://", "cannot be understood"),
    ("DATABASE_URL", "host=db user=x", "no PostgreSQL URL"),
    ("DATABASE_URL", "postgresql://db.example/shop", "names no user"),
    ("DATABASE_URL", "postgresql://u@db.example?nonsense=1", "cannot be understood"),
    ("DATABASE_POOLER", "maybe", "neither yes nor no"),
    ("REDIS_URL", "http://redis", "no Redis URL"),
    ("ORDER_LIFETIME_MINUTES", "29", "no whole number in its range"),
    ("ORDER_LIFETIME_MINUTES", "60.0", "no whole number"),
    ("DELIVERY_BACKOFF_SECONDS", "5,30,", "no comma list of whole numbers"),
    ("DELIVERY_BACKOFF_SECONDS", "0,30", "no comma list of whole numbers"),
    ("DELIVERY_BACKOFF_SECONDS", "5;30", "no comma list of whole numbers"),
    ("DELIVERY_SEND_SECONDS", "10", "no whole number in its range"),
    ("BREAKER_FAILURES", "0", "no whole number in its range"),
    ("ORDER_LIFETIME_MINUTES", "６０", "no whole number"),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_" + "a" * 24 + ",", "has an empty member"),
    ("STRIPE_WEBHOOK_SECRETS", "secret-secret-secret", "of no known form"),
    ("STRIPE_THREE_D_SECURE", "never", "Use one of automatic, any, challenge"),
    ("PAYMENTS_PROVIDERS", "stripe,paypal", "offers paypal without its keys. Set PAYPAL_CLIENT_ID, PAYPAL_WEBHOOK_ID."),
    ("PAYMENTS_PRESENTATION", "framed", "cannot be understood near 'framed'. Write e.g. hosted,square=embedded"),
    ("PAYMENTS_PRESENTATION", "hosted,square=embedded,square=hosted", "cannot be understood near 'square=hosted'"),
    ("LOG_LEVEL", "chatty", "Use one of DEBUG"),
]


@pytest.mark.parametrize(("name", "value", "said"), REFUSED, ids=lambda value: str(value)[:30])
def test_a_bad_value_is_refused_by_name(tmp_path: Path, name: str, value: str, said: str) -> None:
    whole = problems(tmp_path, **{name: value})
    assert f"  - {name} " in whole
    assert said in whole


MAIL: list[tuple[str, dict[str, Any]]] = [
    (
        "smtp://u:{}@mail.example".format("p%40ss"),
        {"EMAIL_PORT": 587, "EMAIL_USE_TLS": True, "EMAIL_HOST_PASSWORD": "p@ss"},
    ),
    ("smtp://mail.example:25?tls=none", {"EMAIL_PORT": 25, "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}),
    ("smtps://u:p@mail.example", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}),
    ("console:", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    ("file:///srv/mail", {"EMAIL_FILE_PATH": "/srv/mail"}),
]


@pytest.mark.parametrize(("url", "wanted"), MAIL)
def test_mail(tmp_path: Path, url: str, wanted: dict[str, Any]) -> None:
    assert load(tmp_path, EMAIL_URL=url).email.items() >= wanted.items()


def test_proxies_and_allowlists(tmp_path: Path) -> None:
    read = load(
        tmp_path,
        TRUSTED_PROXIES="10.1.0.0/16, 2001:db8::1 ,unix",
        WEBHOOK_IP_ALLOWLISTS="stripe=3.18.12.63, 3.130.192.0/24; nmi=2001:db8::/32",
    )
    assert "10.1.2.3" in read.trusted_proxies
    assert "2001:db8::1" in read.trusted_proxies
    assert "" in read.trusted_proxies
    for stranger in ("10.2.0.1", "2001:db8::2", "nonsense"):
        assert stranger not in read.trusted_proxies
    assert [str(network) for network in read.webhook_ip_allowlists["stripe"]] == ["3.18.12.63/32", "3.130.192.0/24"]
    assert not load(tmp_path).trusted_proxies
    assert "" not in load(tmp_path).trusted_proxies


def test_secret_values_for_the_scrubber_hold_every_secret_and_its_parts(tmp_path: Path) -> None:
    known = load(tmp_path, **PRODUCTION).secret_values
    wanted = {PRODUCTION["SECRET_KEY"], KEY, "hunter2hunter2", "hunter3hunter3", PRODUCTION["STRIPE_API_KEY"]}
    assert wanted | {"p%40ss%3Aword"} <= known
    assert all(len(value) >= 8 for value in known)


def test_every_variable_of_the_design_is_known() -> None:
    design = """
        ENVIRONMENT DATABASE_URL DATABASE_OWNER_URL SECRET_KEY PUBLIC_BASE_URL REDIS_URL ENCRYPTION_KEYS EMAIL_URL
        PAYMENTS_PROVIDERS STRIPE_API_KEY STRIPE_WEBHOOK_SECRETS STRIPE_API_BASE PAYPAL_CLIENT_ID PAYPAL_CLIENT_SECRET
        PAYPAL_WEBHOOK_ID PAYPAL_API_BASE SQUARE_ACCESS_TOKEN SQUARE_LOCATION_ID SQUARE_WEBHOOK_SIGNATURE_KEYS
        SQUARE_WEBHOOK_URL SQUARE_API_BASE NMI_SECURITY_KEY NMI_WEBHOOK_SIGNING_KEYS NMI_API_BASE TRUSTED_PROXIES
        WEBHOOK_IP_ALLOWLISTS
    """
    assert set(design.split()) <= set(TABLE)


class TestPrivateReceivers:
    def test_names_are_compared_without_case_and_trailing_dot(self, tmp_path: Path) -> None:
        read = load(tmp_path, PRIVATE_RECEIVERS="ERP.example, crm.example.")
        assert read.private_receivers == {"erp.example", "crm.example"}

    @pytest.mark.parametrize(
        "value", ["https://erp.example", "erp.example:8000", "*.example", "erp.example,,x", "[::1]"]
    )
    def test_what_is_no_name_is_refused(self, tmp_path: Path, value: str) -> None:
        assert "PRIVATE_RECEIVERS" in problems(tmp_path, PRIVATE_RECEIVERS=value)
