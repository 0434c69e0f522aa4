"""Texts of Project Gutenberg without its licence, small print, credits and notes on the transcription.

Since 1991 the notices around a book have had half a dozen forms. What stands between the markers is the book, but for
credits and notes at its edges, which are paragraphs of known beginnings. A file from which a notice cannot be cut is a
drop: licence text is worse in a corpus than a book less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from datatrove.data import Document

from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.readers.files import WholeFileReader

_HEAD_LINES = 400  # a header with small print takes some 350
_FOOT_LINES = 600
_MOST_EDGE_PARAGRAPHS = 40
_MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12,
}  # fmt: skip
# As headers write them, with ISO 639 codes.
_LANGUAGES = {
    "afrikaans": "af", "arabic": "ar", "aragonese": "an", "asturian": "ast", "bulgarian": "bg", "breton": "br",
    "catalan": "ca", "cebuano": "ceb", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
    "esperanto": "eo", "estonian": "et", "farsi": "fa", "finnish": "fi", "flemish": "nl", "french": "fr",
    "frisian": "fy", "friulian": "fur", "gaelic": "gd", "galician": "gl", "german": "de", "greek": "el",
    "hebrew": "he", "hungarian": "hu", "icelandic": "is", "ilocano": "ilo", "iloko": "ilo", "interlingua": "ia",
    "irish": "ga", "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la", "latvian": "lv",
    "lithuanian": "lt", "maori": "mi", "middle english": "enm", "nahuatl": "nah", "norwegian": "no", "occitan": "oc",
    "old english": "ang", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "sanskrit": "sa",
    "scots": "sco", "serbian": "sr", "slovak": "sk", "slovenian": "sl", "spanish": "es", "swedish": "sv",
    "tagalog": "tl", "telugu": "te", "ukrainian": "uk", "welsh": "cy", "yiddish": "yi",
}  # fmt: skip
_FIELD = re.compile(
    r"^(title|author|language|release date|posting date|character set encoding):[ \t]*(.*)$", re.I | re.M
)
_NUMBER = re.compile(r"\[\s*(?:e-?book|e-?text)\s*#?\s*(\d+)\s*\]", re.IGNORECASE)
_NUMBER_IN_NAME = re.compile(r"^(?:pg)?(\d+)(?:-[0-9a-z]+)?(?:\.txt)", re.IGNORECASE)
_DATE = re.compile(r"([A-Z][a-z]+),?\s+(?:(\d{1,2}),?\s+)?(\d{4})")

_EBOOK = r"(?:e-?book|e-?text)"
# "*** START OF THE PROJECT GUTENBERG EBOOK X ***", which may go on over lines, and what files of 1997 and before have.
_START = re.compile(r"^\W{0,12}START OF (?:THE|THIS) PROJECT GUTENBERG\b", re.IGNORECASE)
_END = re.compile(r"^\W{0,12}END OF (?:THE|THIS) PROJECT GUTENBERG\b", re.IGNORECASE)
_STARS = re.compile(r"^[ \t]*\*")
_SMALL_PRINT = re.compile(r"^[\s*]{0,12}(?:START\W{0,4})?(?:THE\s+)?SMALL PRINT!", re.IGNORECASE)
_SMALL_PRINT_END = re.compile(r"^\s*\*+\s*END\W{0,4}(?:OF\s+)?(?:THE\s+)?SMALL PRINT", re.IGNORECASE)
_SHORT_END = re.compile(
    rf"^\W{{0,12}}(?:(?:this is the )?end of (?:the |this )?project gutenberg|ende? (?:dieses |diese |von |des )?"
    rf"proje[ck]t gutenberg|fin (?:de |du |d[ei]l )?project gutenberg|end of (?:the |this )?{_EBOOK} of |"
    rf"ende dieses {_EBOOK}|this is (?:a )?copyrighted project gutenberg)",
    re.IGNORECASE,
)
_MENTION = re.compile(r"proje[ck]t gutenberg|gutenberg proje[ck]t|small print!", re.IGNORECASE)
# Lines that stand in Gutenberg's notices and nowhere else.
LICENCE_LINE = re.compile(
    r"project gutenberg(?:-tm|™)|gutenberg literary archive|full project gutenberg|gutenberg license|"
    r"start of (?:the|this) project gutenberg|end of (?:the|this)? ?project gutenberg|(?:the|legal|\*+) ?small print|"
    rf"small print!|this header should be the first|this file should be named|project gutenberg {_EBOOK}s? (?:are|is) |"
    rf"plain vanilla electronic|{_EBOOK}s readable by both|were prepared by (?:thousands|hundreds) of volunteers|"
    r"copyright laws are changing|gutenberg is a registered trademark|www\.gutenberg\.(?:org|net)|promo\.net/pg|"
    r"distributed\s+proofread|pgdp\.net",
    re.IGNORECASE,
)
_INLINE_NOTICE = re.compile(r"<<\s*THIS ELECTRONIC VERSION OF .{1,1500}?>>", re.IGNORECASE | re.DOTALL)
_INLINE_NOTE = re.compile(
    r"^[ \t]*\[[^\[\]]{0,40}project gutenberg[^\[\]]{0,300}\][ \t]*$", re.IGNORECASE | re.MULTILINE
)

_CREDIT = re.compile(
    rf"^[\s(\[{{*_]*(?:(?:this )?(?:project gutenberg )?"
    rf"(?:{_EBOOK}|(?:text|html|electronic) (?:file|version|text|edition))"
    r"(?: (?:was|is|has been))?(?: originally)?[ ,]+)?"
    r"(?:(?:produced|prepared|transcribed|typed|scanned|proof-?read|proofed|digiti[sz]ed|converted|created|updated)\b"
    r"[^.\n]{0,90}?\s(?:by|from|at|for)\b|(?:additional|further) (?:editing|proofing|proofreading|corrections?)\b|"
    rf"(?:html|text|pdf) (?:file|version|conversion) by|{_EBOOK} by|ocr(?:ed)? by|credits?:|transcription by)",
    re.IGNORECASE,
)
_MOST_CREDIT_CHARACTERS = 1500
_FRONT_PARAGRAPHS = 15  # a credit may stand below the title
_SOURCE_OF_SCANS = re.compile(
    r"gallica|internet archive|archive\.org|google (?:books|print)|hathitrust|image files|page images|"
    r"images? (?:generously )?(?:made available|provided)|scans? (?:made|generously)|gutenberg|pgdp|"
    rf"proofreading team|{_EBOOK} (?:was|is|through|by)|this {_EBOOK}|gutenberg\.spiegel|project runeberg|"
    r"in our series by|dieses (?:buch|e-?book) wurde",
    re.IGNORECASE,
)
_NOTE_HEADING = re.compile(
    r"^\W*(?:original |additional )?(?:(?:e-?text |e-?book )?transcriber(?:['’´`]?s|s['’´`]?)?|proofreader'?s?)['’]?\s+"
    r"(?:end)?notes?\b|^\W*notes? (?:by|of|from) the transcriber|^\W*anmerkungen? zur transkription|"
    r"^\W*notes? (?:de transcription|sur la transcription|du transcripteur|au lecteur de ce fichier)|"
    r"^\W*notas? del? transcriptor|^\W*opmerkingen van de bewerker|^\W*nota d[eo] transcritor",
    re.IGNORECASE,
)
_NOTE_WORDS = re.compile(
    rf"transcri|\boriginal|italic|underscore|{_EBOOK}|\bthis (?:text|version|file|edition|book)|spelling|punctuation|"
    r"typograph|typesett|hyphen|printer|misprint|\bASCII\b|\bHTML\b|unicode|utf-8|accent|diacritic|footnotes?|"
    r"corrected|\bcorrections?\b|inconsisten|illustrations?|proofread|page numbers|scann|normali[sz]ed|errata|bold|"
    r"small caps|superscript|rechtschreib|orthogra|schreibweise|druckfehler|original[se]?\b",
    re.IGNORECASE,
)
_NOTE_REFERENCE = re.compile(
    r"^\W*(?:pages?|pp?\.|pg\.?|lines?|chapter|ch\.|vol\.|seite|s\.|blz|\d+[.:])\s*\w", re.IGNORECASE
)
_RULE = re.compile(r"^[\s*=_~+#-]{3,}$")


@dataclass(frozen=True)
class Header:
    """Facts of a book from the notice before it; None for what it does not say.

    number: of the ebook. language: ISO 639 code. date: of its release, ISO 8601, as exact as it is given.
    """

    number: int | None = None
    title: str | None = None
    author: str | None = None
    language: str | None = None
    date: str | None = None
    encoding: str | None = None


def read_header(text: str) -> Header:
    """The fields of a file's header."""
    head = "\n".join(text.replace("\r\n", "\n").split("\n", _HEAD_LINES)[:_HEAD_LINES])
    start = next((found.start() for found in re.finditer(_START.pattern, head, re.I | re.M)), len(head))
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(head[:start]):
        fields.setdefault(name.lower(), value.strip())
    number = _NUMBER.search(head)
    # "Latin, English" is a Latin book first.
    language = re.split(r"\s*(?:,|;|/|\band\b|\(|\bwith\b)\s*", fields.get("language", "").lower())[0]
    date = fields.get("release date") or (_line_of(head, number.start()) if number else "")
    return Header(
        number=int(number[1]) if number else None,
        title=fields.get("title") or None,
        author=fields.get("author") or None,
        language=_LANGUAGES.get(language, language if re.fullmatch(r"[a-z]{2,3}", language) else None),
        date=_iso_date(date),
        encoding=fields.get("character set encoding") or None,
    )


def _line_of(text: str, position: int) -> str:
    return text[text.rfind("\n", 0, position) + 1 : position]


def _iso_date(text: str) -> str | None:
    found = _DATE.search(text)
    month = _MONTHS.get(found[1].lower()) if found else None
    if found is None or month is None:
        return None
    day = f"-{int(found[2]):02d}" if found[2] and 1 <= int(found[2]) <= 31 else ""
    return f"{found[3]}-{month:02d}{day}"


class GutenbergReader(WholeFileReader):
    """Reads a file of Project Gutenberg as the book that it holds; the id is `gutenberg/<number>/<file name>`.

    A file without a marker that never mentions Project Gutenberg is taken whole. `language` is the header's, else the
    source's; `date` that of the ebook's release.

    Reasons of drops: those of `WholeFileReader`; decode_error (value: share of characters that mean nothing);
    no_gutenberg_markers (the notice is there, and nothing says where it ends; detail: a line of it); empty_book.
    """

    name = "Gutenberg"

    def read(self) -> Iterator[Document]:
        found = self.read_data()
        if found is None:
            return
        document, data = found
        name = PurePosixPath(self.file.key).name
        decoded = decode(data, declared=_declared(data, name), is_html=False)
        if decoded.broken_fraction > MAX_BROKEN_FRACTION:
            what = f"characters that mean nothing in {decoded.codec}"
            self.drop_record(document, "decode_error", decoded.broken_fraction, what)
            return
        text = decoded.text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
        header = read_header(text)
        in_name = _NUMBER_IN_NAME.match(name)
        number = header.number or (int(in_name[1]) if in_name and _MENTION.search(text) else None)
        if number is not None:
            document.id = f"gutenberg/{number}/{name}"
            document.metadata["url"] = f"https://www.gutenberg.org/ebooks/{number}"
        document.metadata["title"] = header.title
        document.metadata["date"] = header.date
        document.metadata["language"] = header.language or self.file.language
        body = book_of(text)
        notice = next((line for line in body.split("\n") if LICENCE_LINE.search(line)), None)
        if notice is not None:
            self.drop_record(document, "no_gutenberg_markers", detail=notice.strip()[:200])
            return
        if not body:
            self.drop_record(document, "empty_book")
            return
        document.text = body
        yield document


def _declared(data: bytes, name: str) -> str | None:
    """The encoding that the header names; else what the file's name says: `-0` is UTF-8, `-8` mostly Latin-1."""
    label = read_header(data[: 64 << 10].decode("latin-1")).encoding
    if label:
        label = re.sub(r"^iso[ -]?(?:latin|8859)[ -]?1$|^latin[ -]?1$|^iso-646-us.*", "iso-8859-1", label.lower())
        return re.sub(r"^unicode utf-8$|^utf8$", "utf-8", label)
    ending = re.search(r"-([08])\.txt", name.lower())
    return {"0": "utf-8", "8": "iso-8859-1"}[ending[1]] if ending else None


def book_of(text: str) -> str:
    """The book in a file of Project Gutenberg: all of the text, where no notice is around it.

    Lines end in `\\n`. Where a notice stands with no marker that ends it, it is left in the text.
    """
    lines = text.split("\n")
    books = list(_books(lines))
    if not books:
        return text.strip("\n").rstrip()
    return "\n\n\n\n".join(filter(None, (_trimmed(book) for book in books)))


def _books(lines: list[str]) -> Iterator[list[str]]:
    """The lines between markers, for each book of the file."""
    position = 0
    while (start := _book_start(lines, position)) is not None:
        end = _book_end(lines, start)
        yield lines[start:end]
        position = end + 1
        if end == len(lines):
            return


def _book_start(lines: list[str], position: int) -> int | None:
    """Number of the line after the next start marker; for the first book also that after the small print."""
    for number in range(position, len(lines)):
        if _START.match(lines[number]) and _is_marker(lines[number]):
            return _after_marker(lines, number)
    if position:
        return None
    ends = [number for number in range(min(len(lines), _HEAD_LINES * 2)) if _SMALL_PRINT_END.match(lines[number])]
    if ends:
        return _after_marker(lines, ends[-1])
    # A footer alone: the notice before it was cut off already.
    has_end = any(_SHORT_END.match(line) or (_END.match(line) and _is_marker(line)) for line in lines[-_FOOT_LINES:])
    return 0 if has_end else None


def _is_marker(line: str) -> bool:
    return _STARS.match(line) is not None or line.strip().isupper()


def _after_marker(lines: list[str], number: int) -> int:
    """A long title goes on over lines, up to the closing stars."""
    if re.search(r"\*\s*$", lines[number]):
        return number + 1
    for following in range(number + 1, min(number + 5, len(lines))):
        if not lines[following].strip():
            break
        if re.search(r"\*\*\s*$", lines[following]):
            return following + 1
    return number + 1


def _book_end(lines: list[str], start: int) -> int:
    """Number of the line where the notice after a book starts."""
    marker = next((n for n in range(start, len(lines)) if _END.match(lines[n]) and _is_marker(lines[n])), len(lines))
    # The shorter notice stands a few lines above; without a marker, anywhere in the last part of the file.
    earliest = max(start, marker - 40 if marker < len(lines) else marker - _FOOT_LINES)
    short = (n for n in range(earliest, marker) if _SHORT_END.match(lines[n]) or _SMALL_PRINT.match(lines[n]))
    return next(short, marker)


def _trimmed(lines: list[str]) -> str:
    """A book without credits and notes on the transcription, and without empty lines around it."""
    text = _INLINE_NOTICE.sub("", "\n".join(line.rstrip() for line in lines))
    text = _INLINE_NOTE.sub("", text)
    pieces = re.split(r"(\n(?:[ \t]*\n)+)", text.strip("\n"))  # paragraph, gap, paragraph, gap, ..., paragraph
    paragraphs = list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))
    paragraphs = paragraphs[_front([text for text, _ in paragraphs]) :]
    paragraphs = _without_notes(paragraphs)
    last = len(paragraphs)
    kept = [
        paragraph
        for number, paragraph in enumerate(paragraphs)
        if not (
            (number < _FRONT_PARAGRAPHS and _CREDIT.match(paragraph[0]) and len(paragraph[0]) < _MOST_CREDIT_CHARACTERS)
            or (
                (number < _MOST_EDGE_PARAGRAPHS or number >= last - _MOST_EDGE_PARAGRAPHS)
                and LICENCE_LINE.search(paragraph[0])
                and len(paragraph[0]) < _MOST_CREDIT_CHARACTERS
            )
        )
    ]
    return "".join(text + gap for text, gap in kept).strip()


def _front(texts: list[str]) -> int:
    """The number of paragraphs at the beginning that are credits, notes on the transcription, or rules after such."""
    number = 0
    while number < min(len(texts), _MOST_EDGE_PARAGRAPHS):
        text = texts[number]
        if _NOTE_HEADING.match(text):
            number = _note_end(texts, number)
        elif _is_notice(text) or (number and _RULE.match(text)) or not text.strip():
            number += 1
        else:
            break
    return number


def _is_notice(text: str) -> bool:
    if len(text) > _MOST_CREDIT_CHARACTERS:
        return False
    return _CREDIT.match(text) is not None or _SOURCE_OF_SCANS.search(text) is not None


def _note_end(texts: list[str], number: int) -> int:
    """Number of the first paragraph after a note: at the closing bracket, else where no word of such notes is left."""
    if texts[number].lstrip().startswith("["):
        for following in range(number, min(len(texts), number + _MOST_EDGE_PARAGRAPHS)):
            if texts[following].rstrip().endswith("]"):
                return following + 1
    number += 1
    while number < len(texts) and (_NOTE_WORDS.search(texts[number]) or _RULE.match(texts[number])):
        number += 1
        if _RULE.match(texts[number - 1]):
            break
    return number


def _without_notes(paragraphs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Take out notes on the transcription that have a heading: at the end of the book all of them, elsewhere its own.

    A remark in brackets on one place of the book stays, but for one that is the last thing in the file.
    """
    texts = [text for text, _ in paragraphs]
    kept: list[tuple[str, str]] = []
    number = 0
    while number < len(texts):
        text = texts[number]
        if not _NOTE_HEADING.match(text) or (_is_inline(text) and number + 1 < len(texts)):
            kept.append(paragraphs[number])
            number += 1
            continue
        rest = texts[number + 1 :]
        about = sum(bool(_NOTE_WORDS.search(after) or _NOTE_REFERENCE.match(after)) for after in rest)
        if _is_heading(text) and len(rest) <= _MOST_EDGE_PARAGRAPHS and about >= 0.6 * len(rest):
            break
        number = _note_end(texts, number)
    return kept


def _is_heading(text: str) -> bool:
    return "\n" not in text.strip() and len(text) < 80


def _is_inline(text: str) -> bool:
    """A remark of the transcriber on one place of the book, in brackets of its own."""
    return text.lstrip().startswith(("[", "{", "("))
