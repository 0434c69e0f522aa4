"""Wikitext: templates print the value that the page shows, or nothing; never another number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.markup.wikitext.carried import _CODE_RENDERERS, _FORMAT_NUMBER, _TEXT_RENDERERS, _VALUE_RENDERERS
from pipeline.markup.wikitext.text import wikitext_to_text
from pipeline.markup.wikitext.values import format_number

_GAP = ""


def check(cases: dict[str, str], language: str | None) -> None:
    for source, text in cases.items():
        assert wikitext_to_text(f"a {source} z", language) == " ".join(f"a {text} z".split()), source


def test_conversions() -> None:
    cases = {
        "{{convert|5|km|mi}}": "5 km",
        "{{convert|5|to|10|km|mi}}": "5 to 10 km",
        "{{cvt|5|-|10|km}}": "5–10 km",
        "{{convert|2|x|3|x|4|m|ft|abbr=on}}": "2 × 3 × 4 m",
        "{{convert|3|±|0.2|mm|in}}": "3 ± 0.2 mm",
        "{{convert|6|ft|2|in|m|abbr=on}}": "6 ft 2 in",
        "{{convert|11|st|4|lb|kg}}": "11 st 4 lb",
        "{{convert|6|ft|0}}": "6 ft",
        "{{convert|6|ft|m|1}}": "6 ft",
        "{{convert|100+1/2|mi}}": "100 1/2 mi",
        "{{convert|-3/4|in}}": "-3/4 in",
        "{{convert|1.5e6|to|2.0e6|km3}}": "1.5×10^6 to 2.0×10^6 km^3",
        "{{convert|5|e6km|mi}}": "5 million km",
        "{{convert|5|e15kg}}": "5×10^15 kg",
        "{{convert|1,234.5|sqmi|km2}}": "1,234.5 sq mi",
        "{{convert|−5|C|F}}": "−5 °C",
        "{{convert|9|m3/s|cuft/s}}": "9 m^3/s",
        "{{convert|100|m|ft|abbre=on}}": "100 m",
        # What it is a conversion of is not known.
        "{{convert|6|foo|2|bar|m}}": _GAP,
        "{{convert|5|km|disp=unit}}": _GAP,
        "{{convert|5|km|±=2}}": _GAP,
        "{{convert|{{population}}|km}}": _GAP,
        "{{convert|5|{{x}}|6|km}}": _GAP,
        "{{convert|some|km}}": _GAP,
        "{{convert|5}}": _GAP,
        "{{convert|input=P2048}}": _GAP,
    }
    check(cases, "en")
    check({"{{convert|1.5|km}}": "1,5 km", "{{convert|5|a|7|km}}": "5 a 7 km"}, "es")
    check({"{{convert|1.5|к|km}}": "1,5 к", "{{convert|5|и|7|км}}": "5 и 7 км"}, "ru")


def test_values_with_uncertainty_and_power() -> None:
    cases = {
        "{{val|5}}": "5",
        "{{val|1.234|e=5|u=m/s}}": "1.234×10^5 m/s",
        "{{val|6.2415093|e=-18}}": "6.2415093×10^-18",
        "{{val|5|+-|0.2}}": "5 ± 0.2",
        "{{val|1.00794|0.00072|u=u}}": "(1.00794 ± 0.00072) u",
        "{{val|5|0.2|e=3|ul=m}}": "(5 ± 0.2)×10^3 m",
        "{{val|5|+0.3|-0.2|u=m}}": "5 (+0.3 −0.2) m",
        "{{val|6.674|(15)|e=-11}}": "6.674(15)×10^-11",
        "{{val|10|to|20|u=kg}}": "10 to 20 kg",
        "{{val|10|-|20|p=~}}": "~10–20",
        "{{val|90|u=%}}": "90%",
        "{{val|5|u=m|up=s}}": "5 m/s",
        "{{val|1.5e6}}": "1.5×10^6",
        "{{val|5|foo=2}}": _GAP,
        "{{val|5|1|2|3|4|5}}": _GAP,
        "{{val|5|e={{x}}}}": _GAP,
        "{{val|5|errend=3}}": _GAP,
    }
    check(cases, "en")
    check({"{{val|1.5|0.1|u=км}}": "(1,5 ± 0,1) км"}, "ru")
    check({"5{{±|0.2}}": "5 ± 0.2", "5{{+-|1|2}}": "5 (+1 −2)", "5{{e|7}}": "5×10^7", "{{10^|-3}}": "10^-3",
           "2{{x10^|5}}": "2×10^5", "{{e|ment}}": _GAP, "{{±}}": "±"}, "en")  # fmt: skip
    check({"2{{e|5}}": "2"}, "fr")  # there it ends an ordinal


def test_numbers_and_units_of_other_wikis() -> None:
    french = {
        "{{unité|1234.5|km}}": "1234,5 km",
        "{{Unité|795 km}}": "795 km",
        "{{unité|100 000 habitants}}": "100 000 habitants",
        "{{unité|285,544 milliards}}": "285,544 milliards",
        "{{unité|892|km|2}}": "892 km^2",
        "{{unité|5|m|/s}}": "5 m/s",
        "{{unité|3|J|2|K|3|s|-1}}": "3 J^2·K^3·s^-1",
        "{{unité|8|à=9|km}}": "8 à 9 km",
        "{{unité|5|±=0.2|km}}": "5 ± 0,2 km",
        "{{unité|1.2|km|e=3}}": "1,2×10^3 km",
        "{{nombre|200000|logements}}": "200000 logements",
        "{{unité|5|km|bizarre=2}}": _GAP,
        "{{unité|5|{{x}}}}": _GAP,
        "{{unité|5|2}}": _GAP,
    }
    check(french, "fr")
    check({"{{unidad|5|km|2}}": "5 km^2", "{{unidad|1.5|kg}}": "1,5 kg", "{{unidad|5|km|x y=1}}": _GAP}, "es")
    italian = {
        "{{M|12|k|B}}": "12 kB",
        "{{M|700|-|°C}}": "700 °C",
        "{{M|5,3|ul=km}}": "5,3 km",
        "{{M|5|e=3|u=m}}": "5×10^3 m",
        "{{M|112|-|p|m}}": _GAP,
        "{{M|5|km}}": _GAP,
    }
    check(italian, "it")
    check({"{{m|5|-|km}}": _GAP}, "en")
    check({"{{Einheit|5|m}}": "5 m", "{{Einheit|5|m|2}}": _GAP, "{{Einheit|5|e=3}}": _GAP}, "de")
    check({"{{num|1234}}": "1234", "{{num|1|2}}": _GAP, "{{E|5}}": "×10^5"}, "ru")


@pytest.mark.parametrize(
    ("language", "whole", "large"),
    [
        ("en", "1,234", "1,234,567.8"),
        ("de", "1.234", "1.234.567,8"),
        ("fr", "1 234", "1 234 567,8"),
        ("ru", "1234", "1 234 567,8"),
        ("es", "1234", "1 234 567,8"),
        ("ja", "1,234", "1,234,567.8"),
        ("nl", "1.234", "1.234.567,8"),
        ("pl", "1234", "1 234 567,8"),
        ("hi", "1234", "1234567.8"),  # grouped in another way
    ],
)
def test_numbers_are_formatted_as_their_language_does(language: str, whole: str, large: str) -> None:
    cases = {
        "{{formatnum:1234}}": whole,
        "{{formatnum: 1234567.8 }}": large,
        "{{FORMATNUM:1234|R}}": "1234",
        "{{formatnum:{{x}}}}": _GAP,
        "{{formatnum:1234|unknown}}": _GAP,
    }
    check(cases, language)
    assert format_number("-0.5", language)[:2] == "-0"
    assert format_number("", language) == ""


def test_functions_of_other_languages() -> None:
    check({"{{ZAHLENFORMAT:1234.5}}": "1.234,5"}, "de")
    check({"{{ФОРМАТИРОВАТЬ ЧИСЛО:12345}}": "12 345"}, "ru")
    check({"{{数整形:1234}}": "1,234"}, "ja")
    check({"{{uc:abc}} {{lc:ABC}} {{ucfirst:ab c}} {{lcfirst:AB}}": "ABC abc Ab c aB"}, "en")
    check({"{{#expr:1+2}} {{#if:x|5}} {{plural:5|a|b}}": _GAP}, "en")


def test_fractions() -> None:
    cases = {
        "{{frac|1|2}}": "1/2",
        "{{frac|3}}": "1/3",
        "{{fraction|1|3|4}}": "1 3/4",
        "{{sfrac|2|3|4}}": "2 3/4",
        "{{sfrac|3''n'' + 1|2}}": "(3n + 1)/2",
        "{{frac|-1|3|4}}": "-1 3/4",
        "{{frac|5|{{x}}}}": _GAP,
        "{{frac|a|b|c|d}}": _GAP,
        "{{frac|1|2|sup=x}}": _GAP,
    }
    check(cases, "en")
    check({"{{Bruch|1|2}}": "1/2", "{{Bruch|3|1|2}}": _GAP}, "de")
    check({"{{дробь|1|3|4}}": "1 3/4"}, "ru")
    check({"{{fracción|1|2}}": "1/2"}, "es")
    check({"{{分数|1|2}}": "1/2"}, "ja")
    check({"{{ułamek|1|2}}": "1/2"}, "pl")


def test_chemistry() -> None:
    cases = {
        "{{chem|H|2|O}}": "H_2O",
        "{{chem|SO|4|2-}}": "SO_4^{2-}",
        "{{chem|Na|+}}": "Na^+",
        "{{chem|(NH|4|)|2|SO|4}}": "(NH_4)_2SO_4",
        "{{chem2|H2SO4}}": "H_2SO_4",
        "{{chem2|SO4(2-)}}": "SO_4^{2-}",
        "{{chem|238|U}}": _GAP,
        "10{{sup|2}} H{{sub|2}}O": "10^2 H_2O",
    }
    check(cases, "en")


def test_dates() -> None:
    cases = {
        "{{as of|2019|3}}": "As of March 2019",
        "{{As of|2019|3|1|lc=y}}": "as of 1 March 2019",
        "{{as of|2010|since=y}}": "Since 2010",
        "{{as of|2010|alt=by 2010}}": "by 2010",
        "{{birth date|1990|1|2}}": "January 2, 1990",
        "{{birth date|1990|1|2|df=yes}}": "2 January 1990",
        "{{death date and age|2001|12|31|1950|1|1}}": "December 31, 2001",
        "{{dts|1991|2|3}}": "3 February 1991",
        "{{dts|2017|Oct}}": "October 2017",
        "{{dts|3 May 1991}}": "3 May 1991",
        "{{dts|1991|13|3}}": _GAP,
        "{{dts|1991|2|3|format=hide}}": _GAP,
        "{{age|1990|1|1}}": _GAP,
        "{{circa|1850}}": "c. 1850",
        "{{circa|1850|1860}}": "c. 1850 – c. 1860",
        "{{c.|lk=no|2070}}": "c. 2070",
    }
    check(cases, "en")
    check({"{{dts|2017|Oct}}": "2017年10月", "{{dts|1991|2|3}}": "1991年2月3日"}, "ja")
    check({"{{dts|1991|2|3}}": _GAP, "{{as of|2017}}": "2017", "{{as of|2017|2}}": _GAP}, "bn")


def test_currencies() -> None:
    cases = {
        "{{US$|5 million}}": "US$5 million",
        "{{€|5}}": "€5",
        "{{INR|500}}": "₹500",
        "{{£|5|link=yes}}": "£5",
        "{{£|5|2010}}": _GAP,
    }
    check(cases, "en")


def test_characters_part_no_arguments() -> None:
    cases = {
        "{{tt|a{{=}}b}}": "a=b",
        "{{mono|x {{!}} y}}": "x | y",
        "{{quote|1=p {{!}} q {{=}} r}}": "p | q = r",
        "{{nowrap|{{nowrap|1=a = b}}}}": "a = b",
        "{{nowrap|{{lang|de|[[a|b]]}}}}": "b",
        "{{lang|de|x{{pipe}}y}}": "x|y",
        "{{lang|2=b|1=de}}": "b",
        "{{!}} {{=}}": "| =",
        "[[c{{!}}d]]": "d",
    }
    check(cases, "en")
    assert wikitext_to_text("{|\n{{!}} a {{!}}{{!}} b\n{{!-}}\n| c {{!!}} d\n|}", "en") == "a | b\nc | d"


def test_arguments_that_say_how_text_looks() -> None:
    cases = {
        "{{resize|80%|t}} {{resize|t}}": "t t",
        "{{script|Arab|t}}": "t",
        "{{font color|red|yellow|t}} {{color|red|t}}": "t t",
        "{{key press|Ctrl|Alt|Del}}": "Ctrl+Alt+Del",
        "{{linktext|漢|字}}": "漢字",
        "{{abbr|dd|day}}": "dd",
    }
    check(cases, "en")


_NAMES = sorted({*_TEXT_RENDERERS, *_VALUE_RENDERERS, *_CODE_RENDERERS})
_PIECES = (
    *("5", "-3", "1+1/2", "km", "m", "2", "e3e3km", "to", "±", "e=5", "u=m", "1=x", "99=y", "=", "{{x}}", "{{!}}", ""),
    *("\n* a\n* b", "col1=z", "x" * 50, "à=9", "1990", "13", " ", "<sup>2</sup>", "৫", "format=hide", "text=t", "\x05"),
    "[[a|b]]",
)
_ARGUMENT = st.sampled_from(_PIECES) | st.text(alphabet="0123456789.,-+eE km/|=[]'\n", max_size=12)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.sampled_from(_NAMES), st.lists(_ARGUMENT, max_size=6), st.sampled_from(["en", "fr", "it", "ja", "ru", None]))
def test_any_arguments_give_text(name: str, arguments: list[str], language: str | None) -> None:
    source = "{{" + "|".join([name, *arguments]) + "}}"
    text = wikitext_to_text(f"a {source} z", language)
    assert text.startswith("a")
    assert text.endswith("z")
    assert not any(mark in text for mark in "\x00\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13")


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(_VALUE_RENDERERS)), st.lists(_ARGUMENT, max_size=5))
def test_a_value_with_an_unknown_part_is_a_gap(name: str, arguments: list[str]) -> None:
    """Wherever what is not known stands: in place of an argument, or as one more."""
    source = "{{" + "|".join([name, "5", *arguments, "{{unknown}}"]) + "}}"
    assert wikitext_to_text(f"a {source} z", "en") == "a z"
    assert wikitext_to_text(f"a {{{{{name}|5{{{{unknown}}}}}}}} z", "en") == "a z"


@pytest.mark.parametrize("name", sorted(_FORMAT_NUMBER))
def test_functions_of_numbers_in_all_languages(name: str) -> None:
    assert wikitext_to_text(f"{{{{{name.upper()}:1234.5}}}}", "de") == "1.234,5"


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("5{{frac|1|2}} cups, 5{{sfrac|3|4}}, 5{{frac|2}}", "5 1/2 cups, 5 3/4, 5 1/2", "en"),
        ("5{{дробь|1|2}} и 5{{frac|1|2}}", "5 1/2 и 5 1/2", "ru"),
        ("3{{Bruch|1|2}} Liter", "3 1/2 Liter", "de"),
        ("5{{ułamek|1|2}} litra", "5 1/2 litra", "pl"),
        ("wide {{convert|5{{frac|1|2}}|in}}.", "wide.", "en"),
        ("so 3{{something}}5 or a{{something}}b", "so 3 5 or ab", "en"),
        ("3{{sdot}}5 and 2{{pi}}''r''", "3⋅5 and 2πr", "en"),
        ("2{{sqrt|3}}, {{radic|x|3}}, {{sqrt|x+1}}, {{radic|x|n}}", "2√3, ∛x, √(x+1),", "en"),
        ("so {{math|2{{sqrt|3}}}} and {{math|2{{something|3}}}}", "so 2√3 and", "en"),
        ("25 km{{2}} et 3 m{{3}}", "25 km^2 et 3 m^3", "fr"),
        ("{{unité|10 km2}}, {{unité|10|m/s2}}, {{unité|10|m.s-1}}", "10 km^2, 10 m/s^2, 10 m.s^-1", "fr"),
        ("{{unité|10|à|20|km}}, {{unité|10|-|20|km}}", "10 à 20 km, 10–20 km", "fr"),
        ("{{unidad|5|m2}} y {{unidad|5|km/h}}", "5 m^2 y 5 km/h", "es"),
        ("a {{unité|5|?|km}}", "a", "fr"),
        ("{{val|5|u=mol-1}}, {{val|5|u=m/s2}}, {{val|5|u=J.K-1}}", "5 mol^-1, 5 m/s^2, 5 J.K^-1", "en"),
        ("{{val|12|ul=km|upl=s2}}, {{val|1.234(5)|u=m}}", "12 km/s^2, 1.234(5) m", "en"),
    ],
)
def test_values_beside_numbers(source: str, text: str, language: str) -> None:
    assert wikitext_to_text(source, language) == text


@pytest.mark.parametrize("code", ["#include <stdio.h>", "*p", "**argv", ":q!", ";;", "=begin", "| grep x", "!x"])
def test_code_that_begins_a_line(code: str) -> None:
    shown = code.replace("<", "&lt;")
    for tag in ("code", "kbd", "tt", "samp"):
        assert wikitext_to_text(f"One\n<{tag}>{shown}</{tag}> is it.\n*<{tag}>{shown}</{tag}>") == (
            f"One\n{code} is it.\n- {code}"
        )
