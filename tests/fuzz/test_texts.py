"""What is done with every text: charsets, rules, language, personal data, keys of deduplication, addresses."""

from __future__ import annotations

from hypothesis import strategies as st

from pipeline.charsets.charset import decode
from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.sketch import Sketcher
from pipeline.extractors.base import normalise
from pipeline.filters.language.identify import identify_language
from pipeline.filters.pii.redact import redact
from pipeline.filters.pii.settings import PiiSettings
from pipeline.filters.rules import judge
from pipeline.filters.settings import FilterSettings
from pipeline.filters.urls.rule import compile_url_rule
from pipeline.filters.urls.settings import UrlSettings
from pipeline.markup.unwrap import unwrap
from tests.fuzz.harness import Case, Target, fuzz_test
from tests.fuzz.seeds import ARTICLE, HTML, WIKITEXT, seeds_of

_LANGUAGES = (None, "en", "de", "fr", "zh", "ja", "th", "ar", "hy", "ro", "am", "xx")
_RULES = FilterSettings()
_SKETCHER = Sketcher(MinHashSettings())
_PII = PiiSettings(enabled=True) if "enabled" in PiiSettings.model_fields else PiiSettings()
_WORDS = tuple(
    word.encode()
    for word in (
        *("\n", "\n\n", " ", "\t", "\u00a0", "\u3000", "\u2028", "\x85", ".", "...", "…", "!", "?", "。", "؟", "-",
        "- ", "•"),
        *("#", "{", "}", "lorem ipsum", "javascript", "cookie policy", "the", "and", "of", "'", "’", "ʼ", '"',
        "[1]", "[edit]"),
        *("漢字", "かな", "한국어", "ภาษาไทย", "ພາສາລາວ", "ខ្មែរ", "မြန်မာ", "བོད", "አማርኛ", "മലയാളം",
        "ᏣᎳᎩ", "ꕙ", "ꆈꌠ", "ᠮᠣᠩ"),
        *("é", "e\u0301", "\u0301", "\u0323", "ﬁ", "և", "ş", "ș", "İ", "ı", "ß", "ǅ", "Σς", "\u200b", "\u200d",
        "\ufe0f", "👩‍👩‍👧"),
        *("a@b.example", "+49 30 1234567", "4111 1111 1111 1111", "192.168.0.1", "2001:db8::1",
        "https://x.example/a?b#c"),
        *("a" * 1001, "word " * 60, "\x00", "\x07", "\ufffd", "\U000e0001", "\ud7ff", "\U0010ffff", "1", "١", "½",
        "Ⅷ"),
    )
)  # fmt: skip


def check_text(case: Case) -> None:
    text = normalise(case.data.decode("utf-8", "replace"))
    text.encode("utf-8")
    language = _LANGUAGES[len(case.data) % len(_LANGUAGES)]
    judged = judge(text, language, _RULES)
    judged.text.encode("utf-8")
    assert judged == judge(text, language, _RULES), "judged otherwise the second time"
    assert judged.verdict is None or judged.text == text, "a dropped text was changed"
    identify_language(text)
    redacted = redact(text, _PII, language, None)
    redacted.text.encode("utf-8")
    unwrap(text).encode("utf-8")
    sketches = _SKETCHER.sketches([text, text])
    assert all((rows[0] == rows[1]).all() for rows in sketches), "two sketches of one text"
    ngrams = _SKETCHER.ngrams(text)
    assert (ngrams.values[1:] > ngrams.values[:-1]).all(), "n-grams that do not ascend"


def check_charset(case: Case) -> None:
    for declared in (None, "utf-16", "x-user-defined", "iso-2022-jp", "utf-7", "idna", "hex", "\x00", "gb18030"):
        decoded = decode(case.data, declared, is_html=case.name.endswith(".html"))
        decoded.text.encode("utf-8")
        assert 0 <= decoded.broken_fraction <= 1, "a share that is none"


def check_url(case: Case) -> None:
    url = case.data.decode("utf-8", "replace")
    rule = compile_url_rule(UrlSettings())
    first = rule.look(url)
    assert first == rule.look(url), "looked at otherwise the second time"
    rule.verdict(url)


def _texts() -> list[Case]:
    cases = [Case("a.txt", "\n\n".join(ARTICLE * 3).encode()), Case("b.txt", WIKITEXT.encode())]
    return cases + [case for case in seeds_of("text") if len(case.data) < 40_000]


def _bytes() -> list[Case]:
    cases = [Case("a.html", HTML.encode()), Case("a.txt", "Übung macht den Meister, così è la vità.".encode("latin-1"))]
    for codec in (
        "utf-16",
        "shift_jis",
        "euc_jp",
        "gb18030",
        "koi8-r",
        "cp1251",
        "iso2022_jp",
        "big5",
        "euc_kr",
        "utf-32",
    ):
        cases.append(Case(f"{codec}.html", ("<p>漢字 かな привет 漢字 " * 20).encode(codec, "ignore")))
    return cases


_URLS = ("https://user:pass@www.example.co.uk:8080/a/b.html;p?q=1#f", "http://[2001:db8::1]/", "//münchen.de/straße",
         "http://xn--mnchen-3ya.example/", "http://192.168.0.1/%7Ex", "mailto:a@b.example",
         "HTTP://EXAMPLE.ORG./")  # fmt: skip

_PIECES = st.one_of(st.sampled_from(_WORDS), st.text(max_size=9).map(lambda text: text.encode("utf-8", "replace")))

TARGETS = [
    Target(
        "text",
        _texts,
        check_text,
        words=_WORDS,
        strategy=lambda: st.lists(_PIECES).map(b"".join).map(lambda data: Case("x.txt", data)),
        prepare=lambda: judge("a b", "en", _RULES),
    ),
    Target("charset", _bytes, check_charset, words=(b"<meta charset=utf-16>", b"\x1b$B", b"\x1b(B")),
    Target("url", lambda: [Case("url", url.encode()) for url in _URLS], check_url,
           words=(b"[", b"]", b"%", b"@", b":", b"//", b"xn--", b"\\", b"..", b"?", b"#", "。".encode(), b"::",
           b":99999")),
]  # fmt: skip

test_inputs = fuzz_test(TARGETS)
