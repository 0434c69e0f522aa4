"""Words that say that a phone number follows, in the languages of the web; and marks that say it is something else."""

from __future__ import annotations

import re

_WORDS = (
    # Latin script; what follows a word is free, so `telefon` stands for Telefonnummer, telefonicznie and the like.
    "tel|tél|telefon|telefax|telephone|téléphone|teléfono|telefono|phone|mobile|mobil|móvil|cell|cellphone|fax|hotline|"
    "handy|whatsapp|call|calling|dial|text|sms|rufnummer|durchwahl|appel|llam|ligue|chiama|zadzwoń|kom|komórk|helpline|"
    "freephone|toll-free|switchboard|pager|γραμμή|"
    # Greek, Cyrillic, Hebrew, Arabic
    "τηλ|τηλέφων|τηλεφων|φαξ|κιν|тел|телефон|факс|моб|звон|טל|טלפון|פקס|هاتف|تلفون|جوال|موبايل|فاكس"
)
# Scripts without spaces: no boundary of a word before it.
_WORDS_UNSPACED = "電話|电话|手機|手机|傳真|传真|熱線|热线|致電|致电|携帯|팩스|전화|연락처|โทร"
_NUMBER_WORDS = (
    "no|nr|num|number|numer|numéro|número|nummer|номер|line|us|on|at|is|under|unter|au|al|pod|free|gratis|int"
)
_LABEL = re.compile(
    rf"(?:(?<![^\W\d_])(?:{_WORDS}|help-?line|\w{{1,12}}line)\w{{0,12}}|(?:{_WORDS_UNSPACED})\w{{0,4}}|[☎☏✆📞📱])"
    rf"(?:[\s.:/]{{1,3}}(?:{_NUMBER_WORDS}))?[\s.:：)\]/|=\u2013-]{{0,4}}[(\[]?\Z",
    re.IGNORECASE,
)
_CONTEXT = 40  # characters before a number
# Between two numbers of which the second is what the first is.
_SAME_AGAIN = re.compile(r"\)?\s{0,2}(?:[,;|&]|or|oder|ou|und|and|et|y|e|o|lub|bzw\.?|или|и|ή|και|或|、)\s{0,2}\(?\Z")
_SOMETHING_ELSE = re.compile(
    r"(?:isbn|issn|doi|pmid|pmc|iban|bic|blz|konto|kto|id|nr|no|hrb|ust|vat|art|order|serial|arxiv|zip|plz|az|ref)"
    r"\w{0,10}[\s.:#\-]{0,3}\Z",
    re.IGNORECASE,
)


def is_labelled(text: str, start: int, least: int) -> bool:
    """Whether a word for a telephone stands right before a place. Nothing before `least` is looked at."""
    return _LABEL.search(text, max(least, start - _CONTEXT), start) is not None


def is_listed(text: str, start: int, previous_end: int) -> bool:
    """Whether a place follows the end of a phone number as the next of a list."""
    return start - previous_end <= 12 and _SAME_AGAIN.match(text[previous_end:start]) is not None


def is_something_else(text: str, start: int, least: int) -> bool:
    """Whether a word for another kind of number stands right before a place."""
    return _SOMETHING_ELSE.search(text, max(least, start - _CONTEXT // 2), start) is not None
