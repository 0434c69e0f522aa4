# ruff: noqa: E501
"""Superscripts and subscripts: HTML and wikitext give the same text for the same thing."""

from __future__ import annotations

import pytest

from pipeline.markup.html import extract_main_text
from pipeline.markup.wikitext.text import wikitext_to_text

_END = " is what the people of the town found when they had measured all of it, as they wrote in their books."


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("10<sup>2</sup> and 10 <sup>2</sup> and 10<sup> 2 </sup> m", "10^2 and 10 ^2 and 10^2 m"),
        ("10<sup>&minus;3</sup> m, 10<sup>-12</sup>, 10<sup>6.5</sup>", "10^−3 m, 10^-12, 10^{6.5}"),
        ("10<sup>n+1</sup>, a<sup>1/2</sup>, f<sup>(n)</sup>", "10^{n+1}, a^{1/2}, f^{(n)}"),
        ("x<sup>2</sup>3 and log<sub>10</sub>100 and log<sub>2</sub> n", "x^{2}3 and log_{10}100 and log_2 n"),
        ("H<sub>2</sub>O, CO<sub>2</sub>e, SO<sub>4</sub><sup>2−</sup>", "H_2O, CO_2e, SO_4^{2−}"),
        ("Na<sup>+</sup>, Ca<sup>2+</sup>, Cl<sup>−</sup>", "Na^+, Ca^{2+}, Cl^−"),
        ("the <sup>14</sup>C and <sup>235</sup>U", "the ^14C and ^235U"),
        ("x<sub>i</sub><sup>2</sup>, x<sub>max</sub>, x<sub>i, j</sub>, x<sub>i,j</sub>", "x_i^2, x_max, x_{i, j}, x_{i,j}"),
        ("m<sup>3</sup>/s, m<sup>−2</sup>s<sup>−1</sup>", "m^3/s, m^−2s^−1"),
        ("10<sup>10<sup>2</sup></sup>, e<sup>x<sup>2</sup></sup>, x<sub>i<sub>j</sub></sub>", "10^{10^2}, e^{x^2}, x_{i_j}"),
        ("2<sup>n</sup>, 2<sup><i>a</i></sup>, 2<sup><em>b</em></sup>, 2<sup><var>c</var></sup>", "2^n, 2^a, 2^b, 2^c"),
        ("1<sup>st</sup>, XX<sup>e</sup>, M<sup>me</sup>, 19<sup>h</sup>30", "1st, XXe, Mme, 19h30"),
        ("N<sup>os.</sup> 5, n<sup>o</sup> 6, 5<sup>го</sup>, 21<sup>η</sup>", "Nos. 5, no 6, 5го, 21η"),
        ("word <sup>abc</sup> next, word <sub>small text</sub> next", "word abc next, word small text next"),
        ("A<sup>®</sup> B<sup>TM</sup> C<sup>™</sup> d<sup>*</sup> e<sup>†</sup>", "A® BTM C™ d* e†"),
        ("z<sup>■</sup> a<sup>✓</sup> b<sup>★</sup>", "z■ a✓ b★"),
        ("It ends.<sup>3</sup> “So,”<sup>4</sup> A<sup>[3]</sup> b<sup>[note 1]</sup>", "It ends.3 “So,”4 A[3] b[note 1]"),
        ("In 1990.<sup>3</sup> and 1,000,<sup>2</sup> more", "In 1990.^3 and 1,000,^2 more"),
        ("ℝ<sup>3</sup>, ℓ<sup>2</sup>, x<sup>ℓ</sup>, e<sup>π</sup>", "ℝ^3, ℓ^2, x^ℓ, e^π"),
        ("5°<sup>2</sup>, µ<sup>2</sup>, ½<sup>2</sup>, 字<sup>2</sup>, д<sup>2</sup>", "5°^2, µ^2, ½^2, 字^2, д^2"),
        ("a<sup>,</sup>b, c<sup>'</sup>, d<sup>′</sup>", "a,b, c', d′"),
        ("3<sup>1</sup>/<sub>2</sub>, 5<sup>1</sup>&frasl;<sub>8</sub>, 1/<sub>2</sub>, 1<sup>1</sup>/2", "3 1/2, 5 1/8, 1/2, 1 1/2"),
        ("2<sup>1</sup>&nbsp;⁄&nbsp;<sub>2</sub>, 2 <sup>1</sup>&#x2F;<sub>2</sub>", "2 1/2, 2 1/2"),
        ("2<sup>1</sup><span>/</span><sub>2</sub>, 2<small><sup>1</sup></small>/<small><sub>2</sub></small>", "2 1/2, 2 1/2"),
        ("10<sup>6 if nothing else is said about it in the rest of this line</sup>.", "10^6 if nothing else is said about it in the rest of this line."),
        ("x<sup></sup> y<sup> </sup> z, 10<sup>6", "x y z, 10^6"),
    ],
)  # fmt: skip
def test_html_and_wikitext_agree(markup: str, text: str) -> None:
    for before in ("There ", ""):
        line = before + markup + _END
        assert wikitext_to_text(line) == before + text + _END
        assert extract_main_text(f"<html><body><p>{line}</p></body></html>") == before + text + _END


def test_what_begins_a_line_has_no_mark() -> None:
    line = f"<sup>14</sup>C{_END}"
    assert wikitext_to_text(line) == f"14C{_END}"
    assert extract_main_text(f"<html><body><p>{line}</p></body></html>") == f"14C{_END}"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("In 1990<sup><a href='#n3'>3</a></sup> it", "In 1990^3 it"),
        ("A word<sup><a href='#n3'>3</a></sup> it", "A word3 it"),
        ("CO<sub><a href='/two'>2</a></sub> it", "CO_2 it"),
    ],
)
def test_links_in_scripts(markup: str, text: str) -> None:
    assert extract_main_text(f"<html><body><p>{markup}{_END}</p></body></html>") == text + _END
