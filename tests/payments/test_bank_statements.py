"""Reading bank statements: every notation a bank uses, and each bad line named without using any of the file."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.money import Money
from payments.bank import camt as bank_camt
from payments.bank import csv_files as bank_csv
from payments.bank.csv_files import DEFAULT_MAP, BadMap, read_map
from payments.bank.statements import BadLines, BadStatement, BadValue, minor_units

GERMAN = """
encoding = "cp1252"
delimiter = ";"
skip_lines = 2
decimal = ","
thousands = "."
date_format = "%d.%m.%Y"
currency = "EUR"
[columns]
date = "Buchungstag"
amount = "Betrag"
reference = ["Verwendungszweck", "Referenz"]
counterparty = "Empfänger"
"""
HEADER = "date,amount,currency,reference,counterparty\n"


class TestAmounts:
    @pytest.mark.parametrize(("text", "currency", "how", "minor"), [
        ("49.90", "EUR", {}, 4990), ("49.9", "EUR", {}, 4990), ("49", "EUR", {}, 4900), ("+49.90", "EUR", {}, 4990),
        ("-49.90", "EUR", {}, -4990), ("49.90-", "EUR", {}, -4990), ("\u221249.90", "EUR", {}, -4990),
        ("- 49.90", "EUR", {}, -4990), ("0.00", "EUR", {}, 0), ("49.9000", "EUR", {}, 4990),
        ("1.234,56", "EUR", {"decimal": ",", "thousands": "."}, 123456),
        ("1234,56", "EUR", {"decimal": ",", "thousands": "."}, 123456),
        ("1\u00a0234,56", "EUR", {"decimal": ",", "thousands": "\u00a0"}, 123456),
        ("1'234.56", "CHF", {"thousands": "'"}, 123456),
        ("500", "JPY", {}, 500), ("500.00", "JPY", {}, 500), ("1.234", "KWD", {}, 1234),
    ])  # fmt: skip
    def test_as_banks_write_them(self, text: str, currency: str, how: dict[str, str], minor: int) -> None:
        assert minor_units(text, currency, **{"decimal": ".", **how}) == minor

    @pytest.mark.parametrize(("text", "currency", "how"), [
        ("", "EUR", {}), ("-", "EUR", {}), ("abc", "EUR", {}), ("49.", "EUR", {}), (".90", "EUR", {}),
        ("49.901", "EUR", {}), ("49,90", "EUR", {}), ("--49", "EUR", {}), ("1e5", "EUR", {}), ("4 9", "EUR", {}),
        ("\u0664\u0669", "EUR", {}), ("49.90", "XYZ", {}), ("0.5", "JPY", {}), ("NaN", "EUR", {}),
        ("1.23", "EUR", {"decimal": ",", "thousands": "."}), ("12.34,5", "EUR", {"decimal": ",", "thousands": "."}),
        (".234", "EUR", {"decimal": ",", "thousands": "."}), ("9" * 16, "EUR", {}),
    ])  # fmt: skip
    def test_what_is_none_is_refused(self, text: str, currency: str, how: dict[str, str]) -> None:
        with pytest.raises(BadValue):
            minor_units(text, currency, **{"decimal": ".", **how})

    @given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
    def test_every_amount_is_read_as_it_was_written(self, minor: int, currency: str) -> None:
        assert minor_units(str(Money(minor, currency).major), currency, decimal=".") == minor


class TestCsv:
    def test_without_a_map(self) -> None:
        content = HEADER + '2026-11-23,19.41,EUR,"STRIPE po_1, payout",Stripe\n\n2026-11-24,-5.00,EUR,Fee,Bank\n'
        first, second = bank_csv.read(content.encode(), how=DEFAULT_MAP, account="main")
        assert (first.booked_on, first.amount_minor, first.currency) == (date(2026, 11, 23), 1941, "EUR")
        assert (first.reference, first.counterparty, first.number) == ("STRIPE po_1, payout", "Stripe", 2)
        assert (second.amount_minor, second.number) == (-500, 4)

    def test_as_german_banks_write_it(self) -> None:
        content = (
            "Kontoauszug\r\nvom 24.11.2026\r\n"
            "Buchungstag;Empfänger;Verwendungszweck;Referenz;Betrag\r\n"
            '23.11.2026;Müller;"STRIPE";po_1;1.941,00\r\n'
        )
        (line,) = bank_csv.read(content.encode("cp1252"), how=read_map(GERMAN), account="main")
        assert (line.amount_minor, line.reference, line.counterparty) == (194100, "STRIPE po_1", "Müller")
        assert (line.currency, line.number) == ("EUR", 4)

    @pytest.mark.parametrize(("how", "row", "minor"), [
        ('[columns]\ndate = "d"\ncredit = "in"\ndebit = "out"\ncurrency = "c"', "2026-11-23,5.00,,EUR,H", 500),
        ('[columns]\ndate = "d"\ncredit = "in"\ndebit = "out"\ncurrency = "c"', "2026-11-23,,5.00,EUR,H", -500),
        ('[columns]\ndate = "d"\ncredit = "in"\ndebit = "out"\ncurrency = "c"', "2026-11-23,,-5.00,EUR,H", -500),
        ('debit_words = ["S"]\n[columns]\ndate = "d"\namount = "in"\ndirection = "w"\ncurrency = "c"',
         "2026-11-23,5.00,,EUR,S", -500),
        ('debit_words = ["S"]\n[columns]\ndate = "d"\namount = "in"\ndirection = "w"\ncurrency = "c"',
         "2026-11-23,5.00,,EUR,H", 500),
        ('sign = "inverted"\n[columns]\ndate = "d"\namount = "in"\ncurrency = "c"', "2026-11-23,5.00,,EUR,", -500),
    ])  # fmt: skip
    def test_the_sign(self, how: str, row: str, minor: int) -> None:
        (line,) = bank_csv.read(f"d,in,out,c,w\n{row}\n".encode(), how=read_map(how), account="main")
        assert line.amount_minor == minor

    def test_bad_lines_are_named_and_nothing_is_used(self) -> None:
        content = HEADER + (
            "2026-11-23,1.00,EUR,good,\n23.11.2026,1.00,EUR,a,\n2026-11-23,1;00,EUR,a,\n2026-11-23,1.00,XYZ,a,\n"
            "2026-11-23,1.00,EUR\n2026-02-30,1.00,EUR,a,\n2026-11-23,1.001,EUR,a,\n"
        )
        with pytest.raises(BadLines) as refused:
            bank_csv.read(content.encode(), how=DEFAULT_MAP, account="main")
        assert [bad.number for bad in refused.value.bad] == [3, 4, 5, 6, 7, 8]
        whys = [bad.why for bad in refused.value.bad]
        assert whys[0] == "the date is not written as %Y-%m-%d"
        assert whys[2] == "the currency is none we know"
        assert whys[3] == "it has 3 columns, the header has 5"
        assert whys[5] == "the amount has more decimals than EUR"

    @pytest.mark.parametrize("content", [
        b"", b"\n\n", b"Datum;Betrag\n1;2\n", b"\xff\xfe\x00d", "date,amount,currency,reference\n".encode("utf-16"),
        b"date,amount,amount,currency,reference,counterparty\n", b'"', b"date\x00,amount\n",
    ], ids=str)  # fmt: skip
    def test_what_is_no_statement(self, content: bytes) -> None:
        with pytest.raises(BadStatement):
            bank_csv.read(content, how=DEFAULT_MAP, account="main")

    @pytest.mark.parametrize("row", ['2026-11-23,1.00,EUR,"open,\n', "2026-11-23,1.00,EUR,a\x00b,c\n"])
    def test_broken_quotes_and_nul(self, row: str) -> None:
        with pytest.raises(BadLines):
            bank_csv.read((HEADER + row).encode(), how=DEFAULT_MAP, account="main")

    def test_a_line_of_nothing_is_left_out(self) -> None:
        assert bank_csv.read((HEADER + "2026-11-23,0.00,EUR,Closing,\n").encode(), how=DEFAULT_MAP, account="m") == []

    @given(st.binary(max_size=300))
    def test_whatever_the_bytes_only_our_refusals_come_out(self, content: bytes) -> None:
        try:
            bank_csv.read(content, how=DEFAULT_MAP, account="main")
            bank_csv.read(HEADER.encode() + content, how=DEFAULT_MAP, account="main")
        except (BadStatement, BadLines):
            pass


class TestMaps:
    @pytest.mark.parametrize(("text", "why"), [
        ("=", "is no TOML"), ("", "needs a table"), ('[columns]\ndate = "d"', "either amount, or both"),
        ('[columns]\namount = "a"', "where the date stands"), ('[columns]\ndate = "d"\namount = "a"', "currency"),
        ('colour = 1\n[columns]\ndate = "d"', "knows no colour"), ('[columns]\nshoe = "d"', "knows no shoe"),
        ('decimal = ";"\ncurrency = "EUR"\n[columns]\ndate = "d"\namount = "a"', "decimal must be"),
        ('decimal = ","\nthousands = ","\ncurrency = "EUR"\n[columns]\ndate = "d"\namount = "a"', "decimal must be"),
        ('delimiter = ";;"\ncurrency = "EUR"\n[columns]\ndate = "d"\namount = "a"', "one character"),
        ('encoding = "klingon"\ncurrency = "EUR"\n[columns]\ndate = "d"\namount = "a"', "no encoding"),
        ('sign = "odd"\ncurrency = "EUR"\n[columns]\ndate = "d"\namount = "a"', "as_is"),
        ('currency = "EUR"\n[columns]\ndate = "d"\namount = "a"\ndirection = "w"', "go together"),
        ('currency = "EUR"\n[columns]\ndate = "d"\namount = "a"\ncredit = "c"\ndebit = "e"', "either amount"),
        ('skip_lines = -1\n[columns]\ndate = "d"', "whole number"), ('encoding = 1\n[columns]\ndate = "d"', "a text"),
        ('[columns]\ndate = []', "a text, or a list"), ('columns = 1', "needs a table"),
    ])  # fmt: skip
    def test_a_map_that_cannot_be_used_says_what_to_change(self, text: str, why: str) -> None:
        with pytest.raises(BadMap, match=why):
            read_map(text)


CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct>
<Ntry><Amt Ccy="EUR">19.41</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
  <BookgDt><Dt>2026-11-23</Dt></BookgDt><AcctSvcrRef>REF1</AcctSvcrRef>
  <NtryDtls><TxDtls><Refs><EndToEndId>TRACE1</EndToEndId></Refs>
    <RltdPties><Dbtr><Pty><Nm>Stripe</Nm></Pty></Dbtr></RltdPties>
    <RmtInf><Ustrd>STRIPE po_1</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">5</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>
  <BookgDt><DtTm>2026-11-24T08:00:00</DtTm></BookgDt><AddtlNtryInf>Fee</AddtlNtryInf></Ntry>
<Ntry><Amt Ccy="EUR">7</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>PDNG</Cd></Sts></Ntry>
</Stmt></BkToCstmrStmt></Document>
"""


class TestCamt:
    def test_booked_lines(self) -> None:
        first, second = bank_camt.read(CAMT.encode())
        assert (first.account, first.booked_on) == ("DE02120300000000202051", date(2026, 11, 23))
        assert (first.amount_minor, first.currency, first.number) == (1941, "EUR", 4)
        assert (first.reference, first.counterparty) == ("STRIPE po_1 TRACE1 REF1", "Stripe")
        assert (second.amount_minor, second.reference, second.number) == (-500, "Fee", 9)
        assert bank_camt.read(CAMT.encode(), account="main")[0].account == "main"

    def test_an_older_version_is_read_too(self) -> None:
        old = CAMT.replace("001.08", "001.02").replace("<Pty><Nm>", "<Nm>").replace("</Nm></Pty>", "</Nm>")
        assert bank_camt.read(old.encode()) == bank_camt.read(CAMT.encode())

    @pytest.mark.parametrize(("part", "instead"), [
        ('Ccy="EUR">19.41', 'Ccy="XYZ">19.41'), ("19.41", "19,41"), ("19.41", "-19.41"), ("19.41", ""),
        ("CRDT", "WHAT"), ("2026-11-23", "23.11.2026"), ("<BookgDt><Dt>2026-11-23</Dt></BookgDt>", ""),
    ])  # fmt: skip
    def test_bad_entries_are_named(self, part: str, instead: str) -> None:
        with pytest.raises(BadLines) as refused:
            bank_camt.read(CAMT.replace(part, instead, 1).encode())
        assert [bad.number for bad in refused.value.bad] == [4]

    @pytest.mark.parametrize("content", [
        "", "no xml", "<Document/>", CAMT[:400], CAMT.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn"),
        CAMT.replace("IBAN", "Elsewhere"),
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        CAMT.replace("<Document", '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]><Document', 1),
    ], ids=range(9))  # fmt: skip
    def test_what_is_no_statement(self, content: str) -> None:
        with pytest.raises(BadStatement):
            bank_camt.read(content.encode())

    def test_which_files_look_like_it(self) -> None:
        assert bank_camt.looks_like_it(CAMT.encode())
        assert bank_camt.looks_like_it(b"\xef\xbb\xbf<Document>")
        assert not bank_camt.looks_like_it(HEADER.encode())

    @given(st.binary(max_size=200))
    def test_whatever_the_bytes_only_our_refusals_come_out(self, content: bytes) -> None:
        with pytest.raises((BadStatement, BadLines)):
            bank_camt.read(b"<?xml version='1.0'?><Document>" + content)
