"""What is kept in clear of a provider's words: an allow-list, without card numbers."""

from __future__ import annotations

import json

from payments.masking import masked


def test_only_listed_keys_are_kept_at_every_depth() -> None:
    said = {
        "id": "cs_1",
        "customer_email": "ann@example.com",
        "payment_intent": {"id": "pi_1", "shipping": {"name": "Ann"}, "latest_charge": {"id": "ch_1", "billing": 1}},
        "charges": [{"id": "ch_1", "receipt_url": "https://…"}],
    }
    assert masked(said) == {
        "id": "cs_1",
        "payment_intent": {"id": "pi_1", "latest_charge": {"id": "ch_1"}},
        "charges": [{"id": "ch_1"}],
    }


def test_what_looks_like_a_card_number_is_not_kept_but_ids_are_exact() -> None:
    kept = masked({"reason": "card 4242 4242 4242 4242 stolen", "id": "4242424242424242"})
    assert "4242" not in kept["reason"]
    assert kept["id"] == "4242424242424242"


def test_what_jsonb_refuses_is_replaced() -> None:
    kept = masked({"reason": "a\x00b\ud800c" + "x" * 1000, "amount": 10**20})
    assert "\x00" not in kept["reason"]
    json.dumps(kept).encode()
    assert len(kept["reason"]) == 255


def test_of_stripes_answer_each_object_is_kept() -> None:
    said = {
        "session": {"id": "cs_1", "status": "open", "customer_email": "ann@example.com", "url": "https://pay"},
        "payment_intent": {"id": "pi_1"},
        "charges": [],
        "refunds": [],
        "disputes": [],
    }
    assert masked(said) == {**said, "session": {"id": "cs_1", "status": "open"}}


def test_an_order_of_paypals_shows_its_money_and_nothing_of_the_payer() -> None:
    capture = {"id": "42311647XV020574X", "status": "DECLINED", "processor_response": {"response_code": "5120"}}
    order = {
        "id": "5O190127TN364715T",
        "payer": {"email_address": "pat@example.com"},
        "payment_source": {"paypal": {"name": {"surname": "Payer"}}},
        "purchase_units": [
            {
                "custom_id": "pa_1",
                "payee": {"merchant_id": "SANDBXSHXP222", "email_address": "owner@shop.example"},
                "shipping": {"address": {"address_line_1": "Quay 1"}},
                "amount": {"value": "49.90", "currency_code": "EUR"},
                "payments": {"captures": [capture]},
            }
        ],
    }
    shown = masked({"order": order})
    unit = shown["order"]["purchase_units"][0]
    assert unit["payments"]["captures"] == [capture]
    assert unit["amount"] == {"value": "49.90", "currency_code": "EUR"}
    assert unit["payee"] == {"merchant_id": "SANDBXSHXP222"}
    for hidden in ("pat@", "Payer", "Quay", "owner@"):
        assert hidden not in repr(shown)
