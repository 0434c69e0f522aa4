"""Personal data: what is found, what is not, and that a second run changes nothing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from pipeline.filters.pii.blocks import PiiFilter
from pipeline.filters.pii.cards import luhn
from pipeline.filters.pii.redact import check_placeholders, find, redact
from pipeline.filters.pii.settings import PiiSettings
from tests.pipeline.filters.filter_pages import load_pages

FIXED = PiiSettings()
HASHED = PiiSettings(hashed=True, seed=3)


def _found(text: str, kind: str, language: str | None = "en", url: str | None = None) -> list[str]:
    spans = find(text, FIXED, language, url)
    return [text[span.start : span.end] for span in spans if span.is_personal and span.kind == kind]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to anna.berg@posteo.de.", ["anna.berg@posteo.de"]),
        ("<a_b+lists@mail.uni-x.ac.uk>,c@d.io", ["a_b+lists@mail.uni-x.ac.uk", "c@d.io"]),
        ("邮箱info@firma.cn。", ["info@firma.cn"]),
        ("お問い合わせ：info＠firma.jp まで", ["info＠firma.jp"]),
        ("müller@müller.de and x@xn--mller-kva.de", ["müller@müller.de", "x@xn--mller-kva.de"]),
        ("one@a.de@b.de", ["one@a.de@b.de"]),
        ("@handle and foo@bar, a@b.c, @classmethod", []),
        ("logo@2x.png and button@big.SVG", []),
        ("you@example.com, me@mail.example.org, x@y.test", []),
    ],
)
def test_emails(text: str, expected: list[str]) -> None:
    assert _found(text, "email") == expected


def test_signs_without_width_do_not_hide_an_address() -> None:
    assert redact("jo\u200be@fir\u00adma.de!", FIXED).text == "email@example.com!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 81.2.69.144:8080, http://81.2.69.160/x", ["81.2.69.144", "81.2.69.160"]),
        ("81.2.69.0/24.", ["81.2.69.0"]),
        ("127.0.0.1 10.1.2.3 192.168.0.2 172.20.0.9 169.254.3.4 224.0.0.251 255.255.255.255 198.51.100.7", []),
        ("Version 81.2.69.144, v81.2.69.144, firmware: 81.2.69.144, Chrome/81.2.69.144", []),
        ("1.2.3.4 and 8.8.8.8", []),
        ("10.12.13.14 Methods\n11.12.13.14 Results", []),
        ("81.2.69.144.5 and 81.2.69.256 and 081.2.69.144 and 81.2.69.144-beta", []),
        ("2a00:1450:4001:81b::200e and [2a00:1450:4001:081b:0:0:0:200e]:80", None),
        ("fe80::1 ::1 2001:db8::7 fd00::1 std::dead::beef 12:30:45 00:1B:44:11:3A:B7", []),
    ],
)
def test_ips(text: str, expected: list[str] | None) -> None:
    if expected is None:
        spans = find(text, FIXED)
        assert [span.value for span in spans] == ["2a00:1450:4001:81b::200e"] * 2
        assert redact(text, FIXED).text == "2001:db8::1 and [2001:db8::1]:80"
    else:
        assert _found(text, "ip") == expected


@pytest.mark.parametrize(
    ("text", "language", "url", "expected"),
    [
        ("Call (330) 996-3902 or 330-996-3903 now", "en", None, ["(330) 996-3902", "330-996-3903"]),
        ("3003 Bern +41.31.322.55.11\nText", "de", None, ["+41.31.322.55.11"]),
        ("Tel.: +49 (0)30 226 343-0, Fax: 030/226 343 55", "de", None, ["+49 (0)30 226 343-0", "030/226 343 55"]),
        ("Telefonnummer 050639010 zu", "de", None, ["050639010"]),
        ("unter 0800 133 133 kostenlos", "de", "https://gay.ch/x", ["0800 133 133"]),
        ("call 0343 222 3456 or 0800 112 3456 (", "en", None, ["0343 222 3456", "0800 112 3456"]),
        ("Tel 6533 6002, Mo-Fr 8.30-12.30", "de", None, ["6533 6002"]),
        ("тел. 067-299-63-09.", "ru", None, ["067-299-63-09"]),
        ("電話：０２-２３１２-３４５６", "zh", None, ["０２-２３１２-３４５６"]),
        ("هاتف ٠٥٠١٢٣٤٥٦٧", "ar", None, ["٠٥٠١٢٣٤٥٦٧"]),
        ("call 0800 0282 878 or 18001 0800 0282 878 (Text", "en", None, ["0800 0282 878", "0800 0282 878"]),
        ("Tel. 030 226343 12.05.2012", "de", None, ["030 226343"]),
        ("From 01.02.2012 to 03-04-2013, 2012-06-24, 1939-1945, 2004/2005", "de", None, []),
        ("10.00 - 13.00 Uhr, 2 235 010 Euros, 21.930,54", "fr", None, []),
        ("Lepr Rev. 2012;83(4):370-7. [PMID: 25490331] doi:10.1016/S2542-5196(17)30185-7", "en", None, []),
        ("ISBN 0-306-40615-2, ISBN-13: 978-3-16-148410-0", "de", None, []),
        ("https://x.com/a-0301234567.html?id=0301234567 and /2016/07/07/", "de", None, []),
        ("IBAN: DE54 5205 0353 0002 0650 69", "de", None, []),
        ("In Tel Aviv 300.000 people; EXP: 5,700,000; 0.12345678", "en", None, []),
        ("版号为2011-7067，啤酒(600132，", "zh", None, []),
    ],
)
def test_phones(text: str, language: str, url: str | None, expected: list[str]) -> None:
    assert _found(text, "phone", language, url) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4111 1111 1111 1111", True),
        ("5500-0000-0000-0004", True),
        ("378282246310005", True),
        ("3782 822463 10005", True),
        ("4111 1111 1111 1112", False),  # the check digit
        ("9111 1111 1111 1111", False),  # no issuer
        ("4111 1111-1111 1111", False),  # not as on a card
        ("x.com/id/4111111111111111", False),
        ("0000 0000 0000 0000", False),
    ],
)
def test_credit_cards(text: str, expected: bool) -> None:
    assert bool(_found(text, "credit_card")) == expected


@settings(deadline=None)
@given(st.from_regex(r"[0-9]{1,18}", fullmatch=True))
def test_luhn_has_one_check_digit_and_sees_every_wrong_digit(digits: str) -> None:
    checked = [digits + check for check in "0123456789" if luhn(digits + check)]
    assert len(checked) == 1
    number = checked[0]
    for place, digit in enumerate(number):
        for other in "0123456789":
            assert luhn(number[:place] + other + number[place + 1 :]) == (other == digit)


_PIECES = [
    "anna@posteo.de", "b.c+d@mail.firma.co.uk", "@", ".png", ".com", "info＠firma.jp", "81.2.69.144", "127.0.0.1",
    "1.2.3.4", "2a00:1450:4001:81b::200e", "2001:db8::1", "+49 30 226343", "(330) 996-3902", "330-996-3902",
    "030/226 343-0", "0049 30 226343", "4111 1111 1111 1111", "378282246310005", "12.05.2012", "2010-2011", "Tel.: ",
    "call ", "Fax ", "версия ", "v", "Version ", "ISBN ", " or ", ", ", " ", "\n", "-", "/", "(", ")", "+", "0", "00",
    "12 34", "1", "999", "+999 ", "\u200b", "_", "a", "電話", ":", "::", ".", "%",
    "٠٥٠١٢٣٤٥٦٧", "０２-２３１２-３４５６",
]  # fmt: skip
_TEXTS = st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=4)), max_size=14).map("".join)


@settings(max_examples=500, deadline=None)
@given(_TEXTS, st.sampled_from(["en", "de", "ru", None]), st.booleans())
def test_a_second_run_changes_nothing(text: str, language: str | None, hashed: bool) -> None:
    chosen = HASHED if hashed else FIXED
    once = redact(text, chosen, language)
    again = redact(once.text, chosen, language)
    assert again.text == once.text
    assert again.counts == Counter()
    assert (once.text != text) == bool(once.counts)


@settings(deadline=None)
@given(st.lists(st.sampled_from(_PIECES[:18]), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_lines_decides_nothing(lines: list[str], random: object) -> None:
    def placed(order: list[str]) -> Counter[str]:
        return Counter(redact("\n".join(order), HASHED).text.split("\n"))

    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert placed(lines) == placed(shuffled)


def test_real_pages_are_clean_after_one_run(shared_data: Path) -> None:
    pages = load_pages(shared_data / "web" / "trafilatura", {"de", "en", None}, 250)
    edits: Counter[str] = Counter()
    for page in pages:
        once = redact(page.text, HASHED, page.language)
        edits.update(once.counts)
        again = redact(once.text, HASHED, page.language)
        assert again.text == once.text, page.name
        words = Counter(re.findall(r"[^\W\d_]+", page.text))
        assert sum((words - Counter(re.findall(r"[^\W\d_]+", once.text))).values()) <= 8 * sum(once.counts.values())
    assert edits["pii_email"] > 10
    assert edits["pii_phone"] > 10


def test_hashed_placeholders_are_of_the_value_not_of_its_spelling() -> None:
    def of(text: str, seed: int = 3) -> str:
        return redact(text, PiiSettings(hashed=True, seed=seed)).text

    assert of("Anna@Posteo.de") == of("anna@posteo.de") != of("anne@posteo.de")
    assert of("anna@posteo.de") != of("anna@posteo.de", seed=4)
    assert of("Tel. (330) 996-3902") == of("Tel. 330-996-3902") == of("Tel. +1 330 996 3902")
    assert of("2a00:1450:4001:081b:0:0:0:200e") == of("2a00:1450:4001:81b::200e")
    assert re.fullmatch(r"email-[0-9a-f]{10}@example\.com", of("anna@posteo.de"))
    assert re.fullmatch(r"198\.1[89]\.\d+\.\d+", of("81.2.69.144"))
    # A last group with a 2 or 3 in front would begin an IPv6 address where `::` follows.
    for number in range(1000, 1040):
        assert re.fullmatch(r"Tel\. \+999 \d{3} \d{3} 0\d{3}", of(f"Tel. 330-996-{number}"))
    assert re.fullmatch(r"0000 \d{4} \d{4} 0\d{3}", of("4111 1111 1111 1111"))


def test_only_the_kinds_of_the_settings() -> None:
    text = "anna@posteo.de 81.2.69.144 Tel. 330-996-3902, 4111 1111 1111 1111"
    for kind in ("email", "ip", "phone", "credit_card"):
        assert redact(text, PiiSettings(kinds=[kind])).counts == {f"pii_{kind}": 1}
    assert redact(text, PiiSettings(kinds=[])).text == text


def test_a_placeholder_that_would_be_replaced_is_refused() -> None:
    with pytest.raises(UserError, match=r"filter\.pii\.email: 'me@posteo\.de'"):
        PiiFilter(PiiSettings(email="me@posteo.de"))
    tags = PiiSettings(email="<EMAIL>", ip="<IP>", ipv6="<IP>", phone="<PHONE>", credit_card="<CARD>")
    check_placeholders(tags.email, tags.ip, tags.ipv6, tags.phone, tags.credit_card)
    assert redact("a@b.de, 81.2.69.144", tags).text == "<EMAIL>, <IP>"


def test_block_edits_and_counts() -> None:
    block = PiiFilter()
    documents = [
        Document(text="Tel. 030/226 343-0, a@b.de, c@d.de", id="a", metadata={"language": "de"}),
        Document(text="nothing 12", id="b", metadata={}),
    ]
    texts = [document.text for document in block.run(documents)]
    assert texts == ["Tel. +999 555 0100, email@example.com, email@example.com", "nothing 12"]
    counts = {label: int(block.stats[label].total) for label in block.stats.stats if label.startswith("edited")}
    assert counts == {"edited": 1, "edited_pii_email": 2, "edited_pii_phone": 1}
