"""Project Gutenberg: no line of a notice, every line of the book, in five languages and in every historical form."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats import ExtractSettings, RawFile, extractor_for, reader_for
from pipeline.markup.unwrap import unwrap
from pipeline.readers.gutenberg import LICENCE_LINE, Header, book_of, read_header

# File below `books/gitenberg` or `dedup/gutenberg-versions/sherlock` -> (number, language, date, first, second, last
# line of the book; lines between the markers that are no part of it). Looked up by hand in each file.
BOOKS = {
    "de-die-verwandlung-22367-8.txt": (
        *(22367, "de", "2007-08-21", "DIE VERWANDLUNG", "VON"),
        *("Tochter als erste sich erhob und ihren jungen Körper dehnte.", 2),
    ),
    "es-don-quijote-2000-8.txt": (
        *(2000, "es", "1999-12", "El ingenioso hidalgo don Quijote de la Mancha", "TASA", "Fin", 2),
    ),
    "fr-candide-4650-8.txt": (4650, "fr", "2003-11", "OEUVRES", "DE", "FIN DE CANDIDE.", 11),
    "huckleberry-finn-76-0.txt": (
        *(76, "en", "2006-08-20", "ADVENTURES", "OF", "THE END. YOURS TRULY, _HUCK FINN_.", 1),
    ),
    "jack-sheppard-16215-8.txt": (16215, "en", "2005-07-06", "English Library", "_VOL. XII_", "THE END.", 10),
    "moby-dick-2701-0.txt": (
        *(2701, "en", "2008-12-25", "MOBY-DICK;", "or, THE WHALE.", "children, only found another orphan.", 7),
    ),
    "nl-ontboezemingen-24675-8.txt": (
        *(24675, "nl", "2008-02-23", "ELK DEEL IS AFZONDERLIJK VERKRIJGBAAR", "GULDENS-EDITIE."),
        *("» 73.--=Célestine.= Rob's moeder.", 81),
    ),
    "pride-and-prejudice-1342-0.txt": (
        *(1342, "en", "1998-06", "PRIDE AND PREJUDICE", "By Jane Austen"),
        *("her into Derbyshire, had been the means of uniting them.", 1),
    ),
    "sherlock-holmes-1661-8.txt": (
        *(1661, "en", "2011-04-18", "THE ADVENTURES OF SHERLOCK HOLMES", "by"),
        *("Walsall, where I believe that she has met with considerable success.", 1),
    ),
    "1661.txt": (
        *(1661, "en", "2011-04-18", "THE ADVENTURES OF SHERLOCK HOLMES", "by"),
        *("Walsall, where I believe that she has met with considerable success.", 1),
    ),
    "old__advsh10.txt": (
        *(1661, None, "1999-03", "THE ADVENTURES OF SHERLOCK HOLMES by ARTHUR CONAN DOYLE", "A Scandal in Bohemia"),
        *("Walsall, where I believe that she has met with considerable success.", 0),
    ),
    "old__advsh12.txt": (
        *(
            1661,
            "en",
            "1999-03",
            "THE ADVENTURES OF SHERLOCK HOLMES by SIR ARTHUR CONAN DOYLE",
            "I. A Scandal in Bohemia",
        ),
        *("Walsall, where I believe that she has met with considerable success.", 1),
    ),
}
NOTICE = re.compile(
    r"project gutenberg|gutenberg\.(?:org|net)|\be-?text\b|\bebook\b|small print|pgdp|proofread|"
    r"^transcriber|^(?-i:Produced) by|^\(?additional editing|trademark|thousands of volunteers",
    re.IGNORECASE,
)


def read(path: Path, data: bytes | None = None, lines: str = "keep", language: str | None = None):
    """(documents, reader), as the extract stage makes them."""
    if data is not None:
        path.write_bytes(data)
    reader = reader_for(RawFile(f"books/{path.name}", str(path), "books", "gutenberg", language))
    extractor = extractor_for("gutenberg", ExtractSettings(wrapped_lines=lines))
    documents = list(extractor.run(reader.run()))
    assert len(documents) + reader.num_dropped.total() == reader.num_candidates == 1
    return documents, reader


@pytest.mark.parametrize("name", BOOKS)
def test_real_books(shared_data: Path, name: str) -> None:
    number, language, date, first, second, last, num_lost = BOOKS[name]
    folders = ("books/gitenberg", "dedup/gutenberg-versions/sherlock")
    path = next(shared_data / folder / name for folder in folders if (shared_data / folder / name).exists())
    (document,), _ = read(path)
    assert document.id == f"gutenberg/{number}/{name}"
    assert document.metadata["url"] == f"https://www.gutenberg.org/ebooks/{number}"
    assert (document.metadata["language"], document.metadata["date"]) == (language, date)

    lines = [line.strip() for line in document.text.split("\n") if line.strip()]
    assert (lines[0], lines[1], lines[-1]) == (first, second, last)
    assert [line for line in lines if NOTICE.search(line)] == []
    assert "\ufffd" not in document.text
    assert "\r" not in document.text

    raw = path.read_bytes()
    text = raw.decode("utf-8-sig" if name.endswith("-0.txt") else "cp1252")
    whole = [line.strip() for line in text.splitlines()]
    start = max(at for at, line in enumerate(whole) if "START OF TH" in line or line.startswith("*END*THE SMALL PRINT"))
    end = next(
        at for at in range(start, len(whole)) if re.match(r"(\*\*\* )?end of (the |this )?project gut", whole[at], re.I)
    )
    left_out = Counter(line for line in whole[start + 1 : end] if line) - Counter(lines)
    assert Counter(lines) - Counter(whole) == Counter()
    assert left_out.total() == num_lost


def test_prose_comes_on_lines_of_its_own_and_verse_as_it_is(shared_data: Path) -> None:
    folder = shared_data / "books" / "gitenberg"
    for name, few in (("de-die-verwandlung-22367-8.txt", 250), ("es-don-quijote-2000-8.txt", 12_500)):
        (kept,), _ = read(folder / name)
        (joined,), _ = read(folder / name, lines="join")
        assert "".join(kept.text.split()) == "".join(joined.text.split())
        assert joined.text.count("\n") < few < kept.text.count("\n") / 2
    verse = "   No rebuznaron en balde\n   el uno y el otro alcalde."
    assert verse in joined.text
    assert "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía" in joined.text


def test_books_without_a_notice_are_whole(shared_data: Path) -> None:
    for name in ("tinyshakespeare.txt", "the-verdict.txt"):
        path = shared_data / "books" / name
        (document,), _ = read(path, language="en")
        assert document.text == path.read_text().strip()
        assert document.id == f"books/{name}"
        assert document.metadata["url"] is None
        assert document.metadata["language"] == "en"


BODY = """CHAPTER I

It was the first line, with a mention of the Project Gutenberg in no notice at all, and an
end of the chapter.

    A verse here,
    a verse there.

It was the last line."""
HEADER = """The Project Gutenberg EBook of Something, by Somebody

This eBook is for the use of anyone anywhere at no cost and with

Title: Something
       in Two Lines

Author: Somebody

Release Date: May 3, 2004 [EBook #12345]

Language: {language}

Character set encoding: {encoding}

"""
START, END = (
    "*** START OF THIS PROJECT GUTENBERG EBOOK SOMETHING ***",
    "*** END OF THIS PROJECT GUTENBERG EBOOK SOMETHING ***",
)
LICENCE = (
    "\n\nUpdated editions will replace the previous one.\n\n*** START: FULL LICENSE ***\n\nProject Gutenberg-tm ...\n"
)
SMALL_PRINT = """***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this "Small Print!" statement here?  You know: lawyers.
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*
"""
FORMS = {
    "1991": f"**The Project Gutenberg Etext of Something**\n\n[Etext #12]\n\n****     SMALL PRINT! for X  *****\nlaw\n"
    f"*** END OF SMALL PRINT! ***\n\n{BODY}\n\nEnd of the Project Gutenberg Etext of Something\n",
    "1993": f"The Project Gutenberg Etext of Something\n\n{SMALL_PRINT}\n\nThis etext was prepared by A. B.\n\n"
    f"{BODY}\n\n\n"
    "End of Project Gutenberg Etext of Something, by Somebody\n",
    "1997": f"Copyright laws are changing\n\n{SMALL_PRINT}\n\n\nScanned and proofed by A. B., ab@example.org\n\n"
    f"{BODY}\n\n"
    "End of The Project Gutenberg Etext of Something\n",
    "2002": f"{HEADER}*** START OF THE PROJECT GUTENBERG EBOOK, SOMETHING ***\n\n\n\n"
    f"(Additional editing by J. M.)\n\n\n\n"
    f"{BODY}\n\n*** END OF THE PROJECT GUTENBERG EBOOK, SOMETHING ***\n\nThis file should be named x.txt\n\n"
    f"{SMALL_PRINT}",
    "2005": f"{HEADER}***START OF THE PROJECT GUTENBERG EBOOK SOMETHING***\n\n\n"
    f"E-text prepared by A. B. and the Project "
    "Gutenberg\nOnline Distributed Proofreading Team (https://www.pgdp.net)\n\n\n\nNote: Project Gutenberg also has an "
    f"HTML version of this\n      file. See 12345-h.htm.\n\n\n{BODY}\n\n\n***END OF THE PROJECT GUTENBERG EBOOK "
    f"SOMETHING***\n\n\n******* This file should be named 12345.txt or 12345.zip *******{LICENCE}",
    "2007": f"{HEADER}{START}\n\n\n\n\nProduced by A. B. and the Online\nDistributed Proofreading Team at "
    f"http://www.pgdp.net\n\n\n\n{BODY}\n\n\n\nEnd of the Project Gutenberg EBook of Something, by Somebody\n\n"
    f"{END}{LICENCE}",
    "2013": f"{HEADER}{START}\n\n\n\n\nProduced by A. B. (This file was produced from images generously\n"
    f"made available "
    f"by The Internet Archive)\n\n\n\n[Transcriber's Note: Bold text is surrounded by =equal signs=.\n\n"
    f"Spelling is the "
    f"original's.]\n\n\n\n{BODY}\n\n\n\n       *       *       *       *       *\n\n\n\nTranscriber's Notes\n\nPage 3: "
    f"changed teh to the.\n\nPage 17: inserted a full stop.\n\n\n\n\n"
    f"End of Project Gutenberg's Something, by Somebody\n\n{END}{LICENCE}",
    "2022": f"\ufeffThe Project Gutenberg eBook of Something\n\n"
    f"{HEADER[56:]}*** START OF THE PROJECT GUTENBERG EBOOK SOMETHING\n"
    f"WITH A LONG TITLE ***\n\n\n\n{BODY}\n\n*** END OF THE PROJECT GUTENBERG EBOOK SOMETHING\nWITH A LONG TITLE ***\n"
    f"{LICENCE}",
    "German": f"{HEADER}{START}\n\n\nProduced by A. B.\n\n"
    f"Dieses Buch wurde uns freundlicherweise vom Gutenberg Projekt-DE\nzur "
    f"Verfügung gestellt.\n\n{BODY}\n\n\nEnde dieses Project Gutenberg Etextes Something, von Somebody\n\n"
    f"{END}{LICENCE}",
    "French": f"{HEADER}{START}\n\n\nProduced by A. B.\n"
    f"This file was produced from images of the Bibliothèque nationale\n"
    f"de France (BnF/Gallica) at http://gallica.bnf.fr\n\n{BODY}\n\n\nFin de Project Gutenberg Something\n\n"
    f"{END}{LICENCE}",
    "header cut off": f"{BODY}\n\nEnd of the Project Gutenberg EBook of Something\n\n{END}{LICENCE}",
    "footer cut off": f"{HEADER}{START}\n\nProduced by A. B.\n\n{BODY}\n",
    "copyrighted": f"{HEADER}{START}\n\n{BODY}\n\n"
    f"**This is a COPYRIGHTED Project Gutenberg eBook, Details Above**\n\n{END}\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_historical_form(tmp_path: Path, form: str, newline: str) -> None:
    text = FORMS[form].format(language="English", encoding="UTF-8").replace("\n", newline)
    (document,), _ = read(tmp_path / "x.txt", text.encode())
    body = document.text
    if form == "2013":
        body = body.replace("\n\n\n\n       *       *       *       *       *", "")
    assert body == BODY


@pytest.mark.parametrize("form", ["2005", "2007", "2022"])
def test_two_books_in_one_file(tmp_path: Path, form: str) -> None:
    (document,), _ = read(tmp_path / "x.txt", (FORMS[form] + "\n" + FORMS[form]).encode())
    assert document.text == f"{BODY}\n\n\n\n{BODY}"


@pytest.mark.parametrize(
    "text",
    [
        f"The Project Gutenberg EBook of Something\n\nThis header should be the first thing seen.\n\n{BODY}",
        f"{HEADER}{START}\n\n{BODY}\n\nSection 1. General Terms of Use and Redistributing Project Gutenberg-tm works"
        + "\n\nThe Foundation's words." * 60,
        f"Project Gutenberg-tm words.\n\n{BODY}\n\n{END}{LICENCE}",
    ],
)
def test_a_notice_that_cannot_be_cut_out_is_a_drop(tmp_path: Path, text: str) -> None:
    documents, reader = read(tmp_path / "x.txt", text.encode())
    assert all(not LICENCE_LINE.search(document.text) for document in documents)
    if not documents:
        assert reader.num_dropped == {"no_gutenberg_markers": 1}


def test_a_header_with_no_end_is_a_drop(tmp_path: Path) -> None:
    words = "\n\n".join(f"Paragraph {number} of law that this header should be the first of." for number in range(60))
    documents, reader = read(tmp_path / "x.txt", f"{words}\n\n{BODY}".encode())
    assert not documents
    assert reader.num_dropped == {"no_gutenberg_markers": 1}


@pytest.mark.parametrize(
    ("encoding", "name", "codec"),
    [
        ("ISO-8859-1", "12345-8.txt", "latin-1"),
        ("ISO Latin-1", "12345.txt", "latin-1"),
        ("iso-8859-1", "12345-8.txt", "cp1252"),
        ("UTF-8", "12345-0.txt", "utf-8"),
        ("UTF-8", "12345-0.txt", "utf-8-sig"),
        ("Unicode UTF-8", "pg12345.txt", "utf-8"),
        ("ISO-8859-2", "12345.txt", "iso8859-2"),
        ("MIDI, Lilypond, MP3 and TeX", "12345-8.txt", "latin-1"),
        ("ASCII", "12345-8.txt", "latin-1"),
        ("UTF-8", "12345-8.txt", "latin-1"),  # a wrong header
    ],
)
def test_encodings(tmp_path: Path, encoding: str, name: str, codec: str) -> None:
    words = (
        "Zażółć gęślą jaźń"
        if codec == "iso8859-2"
        else "Größe, élève, año, œuvre"
        if codec == "cp1252"
        else "Größe, élève, año"
    )
    text = FORMS["2007"].format(language="English", encoding=encoding).replace("first line", words)
    (document,), _ = read(tmp_path / name, text.encode(codec))
    assert f"It was the {words}, with" in document.text
    assert "\ufeff" not in document.text


def test_headers() -> None:
    text = HEADER.format(language="Latin, English", encoding="UTF-8")
    assert read_header(text) == Header(12345, "Something", "Somebody", "la", "2004-05-03", "UTF-8")
    assert read_header("March, 1999  [Etext #1661]\n\n") == Header(number=1661, date="1999-03")
    assert read_header("Language: Klingon\nRelease Date: soon\n") == Header()
    assert read_header(f"{START}\n\nTitle: of the book, not of the file\n") == Header()


def test_archives_and_damage(tmp_path: Path) -> None:
    documents, reader = read(tmp_path / "12345.zip", b"PK\x03\x04" + bytes(100))
    assert not documents
    assert reader.num_dropped == {"unreadable": 1}
    assert "zip archive" in reader.damaged[0]
    documents, reader = read(tmp_path / "a.txt.gz", gzip.compress(FORMS["2007"].encode())[:-20])
    assert not documents
    assert reader.num_dropped == {"truncated": 1}
    assert reader.damaged
    (document,), _ = read(tmp_path / "b.txt.gz", gzip.compress(FORMS["2007"].encode()))
    assert document.text == BODY
    for data, reason in ((b"", "empty_payload"), (f"{START}\n\n{END}\n".encode(), "empty_book")):
        _, reader = read(tmp_path / "c.txt", data)
        assert reader.num_dropped == {reason: 1}


_PIECES = [
    *FORMS.values(),
    BODY,
    START,
    END,
    SMALL_PRINT,
    HEADER,
    LICENCE,
    "\n",
    "\n\n",
    "Transcriber's Note:",
    "* * *",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=6), st.data())
def test_any_order_of_notices_leaves_none(tmp_path_factory, pieces: list[str], data) -> None:
    text = "\n".join(pieces)
    text = text[data.draw(st.integers(0, len(text))) :] if text else ""
    documents, _ = read(tmp_path_factory.getbasetemp() / "any.txt", text.encode())
    assert all(not LICENCE_LINE.search(line) for document in documents for line in document.text.split("\n"))


@given(st.text(alphabet="ab \n-*", max_size=300))
def test_texts_without_notices_are_kept(text: str) -> None:
    assert "".join(book_of(text).split()) == "".join(text.split())


@given(st.text(alphabet="abcde,. \n-—", max_size=2000))
def test_unwrapping_moves_white_space_only(text: str) -> None:
    assert "".join(unwrap(text).split()) == "".join(text.split())


def test_what_is_joined() -> None:
    words = [
        "word " * 13
        + "wordy\n"
        + "word " * 13
        + "well-\nknown words fill this line, too, up to column number seventy--\nend"
    ]
    prose = "\n\n".join(words * 20)
    table = "a        b         c         d        e      f     g     h    i\nd        e         f"
    verse = "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:"
    listing = "1. one thing that is listed here, and has a line of its own, a long one\n2. two things\n3. three things"
    joined = unwrap("\n\n".join([prose, table, verse, listing]))
    assert joined.count("\n") == 19 * 2 + 3 * 2 + 1 + 1 + 2
    assert all(kept in joined for kept in (table, verse, listing))
    assert "wordy word word" in joined
    assert "word well-known words" in joined
    assert "seventy--end" in joined
    assert unwrap("\n".join([verse] * 30)) == "\n".join([verse] * 30)


_LINES = {
    "zh": (
        "河邊的小村莊裡有一座用石頭建成的古老磨坊，村民們每年秋天都把糧食運到那裡去磨成麵粉，",
        "磨坊的主人",
        "是一位老人。",
    ),
    "zh quotation": (
        "河邊的小村莊裡有一座用石頭建成的古老磨坊，老人站在門口對孩子們說起從前的事情：",
        "“孩子們",
        "，進來。”",
    ),
    "ja": (
        "この橋は二百年前に建てられました。毎日、商人たちは市場へ行くためにこの橋を渡っていました",
        "。今では観光",
        "客が来ます。",
    ),
    "fullwidth": ("ＡＢＣ河邊的小村莊裡有一座用石頭建成的古老磨坊，村民們每年秋天都把糧食運到那裡Ａ", "Ｂの", "村。"),
    "ko": ("이 다리는 이백 년 전에 지어졌습니다. 매일 상인들은 시장에 가기 위해 이 다리를", " 건넜습니다.", ""),
    "zh and latin": ("河邊的小村莊裡有一座用石頭建成的古老磨坊，村民們每年秋天都把糧食運到那裡去磨成", " Mehl", " und"),
    "en": ("The old mill by the river was built of stone, and every autumn the people of", " the village", " came."),
}


@pytest.mark.parametrize("name", _LINES)
def test_wrapped_lines_of_east_asian_text_are_joined_without_a_space(name: str) -> None:
    """Lines are full by their columns, of which such a character takes two; Hangul has spaces between words."""
    first, *rest = _LINES[name]
    whole = first + "".join(rest)
    text = "\n\n".join(["\n".join((first, "".join(rest).strip()))] * 20)
    assert unwrap(text) == "\n\n".join([whole] * 20)


def test_lines_of_east_asian_verse_stay() -> None:
    prose = "河邊的小村莊裡有一座用石頭建成的古老磨坊，村民們每年秋天都把糧食運到那裡去磨成麵粉，\n他們很放心。"
    verse = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。"
    assert verse in unwrap("\n\n".join([prose] * 20 + [verse]))
    assert unwrap("\n\n".join([verse] * 20)) == "\n\n".join([verse] * 20)


def test_a_line_of_white_space_that_is_no_empty_line() -> None:
    text = "\n\n".join(["word " * 13 + "wordy\n\x0c\n" + "word " * 13] * 5)
    assert unwrap(text).split() == text.split()


@pytest.mark.parametrize("blank", ["\u3000", "\x0c", "\x1c", "\u2003\u2003", "\x85"])
def test_lines_of_nothing_but_odd_white_space(blank: str) -> None:
    line = "ry hay from farm to farm until the water goes down"
    assert unwrap(f"{line}\n{blank}\nNobody").split() == f"{line} Nobody".split()
