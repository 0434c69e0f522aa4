"""English names of languages, for hints to somebody who wrote a name where a code is wanted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_NAMES = """
af Afrikaans, als Alemannic, am Amharic, an Aragonese, ar Arabic, arz Egyptian Arabic, as Assamese, ast Asturian,
av Avar, az Azerbaijani, ba Bashkir, bar Bavarian, be Belarusian, bg Bulgarian, bn Bengali, bo Tibetan, br Breton,
bs Bosnian, ca Catalan, ca Valencian, ce Chechen, ceb Cebuano, ckb Sorani, co Corsican, cs Czech, cv Chuvash, cy Welsh,
da Danish, de German, dsb Lower Sorbian, dv Dhivehi, el Greek, en English, eo Esperanto, es Spanish, es Castilian,
et Estonian, eu Basque, fa Persian, fa Farsi, fi Finnish, fr French, frr North Frisian, fy West Frisian, fy Frisian,
ga Irish, gd Scottish Gaelic, gl Galician, gn Guarani, gom Konkani, gu Gujarati, gv Manx, he Hebrew, hi Hindi,
hr Croatian, hsb Upper Sorbian, ht Haitian Creole, hu Hungarian, hy Armenian, ia Interlingua, id Indonesian, io Ido,
is Icelandic, it Italian, ja Japanese, jv Javanese, ka Georgian, kk Kazakh, km Khmer, kn Kannada, ko Korean,
ku Kurdish, kv Komi, kw Cornish, ky Kyrgyz, la Latin, lb Luxembourgish, li Limburgish, lmo Lombard, lo Lao,
lt Lithuanian, lv Latvian, mai Maithili, mg Malagasy, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, ms Malay,
mt Maltese, my Burmese, nap Neapolitan, nds Low German, ne Nepali, nl Dutch, nl Flemish, nn Nynorsk, no Norwegian,
no Bokmål, no nb, oc Occitan, or Odia, os Ossetian, pa Punjabi, pl Polish, ps Pashto, pt Portuguese, qu Quechua,
rm Romansh, ro Romanian, ro Moldovan, ru Russian, sa Sanskrit, sah Yakut, sc Sardinian, scn Sicilian, sco Scots,
sd Sindhi, sh Serbo-Croatian, si Sinhala, sk Slovak, sl Slovenian, so Somali, sq Albanian, sr Serbian, su Sundanese,
sv Swedish, sw Swahili, ta Tamil, te Telugu, tg Tajik, th Thai, tk Turkmen, tl Tagalog, tl Filipino, tr Turkish,
tt Tatar, tyv Tuvan, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, vec Venetian, vi Vietnamese, vo Volapük, wa Walloon,
war Waray, wuu Wu, xal Kalmyk, yi Yiddish, yo Yoruba, yue Cantonese, zh Chinese, zh Mandarin
"""
_CODES = {name.lower(): code for code, _, name in (entry.strip().partition(" ") for entry in _NAMES.split(",")) if name}


def code_of_name(given: str, codes: Iterable[str]) -> str | None:
    """The code that was meant by a name (`english`), another code (`eng`, `eng_Latn`) or a locale (`en_US`)."""
    codes = set(codes)
    wanted = given.strip().lower()
    base = wanted.replace("_", "-").partition("-")[0]
    candidates = [wanted, _CODES.get(wanted), base]
    near = difflib.get_close_matches(wanted, _CODES, n=1, cutoff=0.75) if len(wanted) > 3 else []
    if 2 <= len(base) <= 3 and base.isascii() and base.isalpha():
        import langcodes

        candidates.append(langcodes.Language.get(base).prefer_macrolanguage().language)
    candidates += [_CODES[name] for name in near]
    return next((code for code in candidates if code in codes), None)


def nearest_code(given: str, codes: Iterable[str]) -> str | None:
    """The code that is spelled most like this one."""
    near = difflib.get_close_matches(given.lower(), sorted(codes), n=1, cutoff=0.5)
    return near[0] if near else None
