"""Files of a folder that are no text are dropped as such; texts with odd characters stay."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from pipeline.formats import RawFile, reader_for

_PROSE = "The town lies on the river and has a market every week. Die Stadt liegt am Fluß und hat Märkte. "
_RUSSIAN = "Город стоит на реке, и каждую неделю здесь бывает рынок, на который приезжают люди из окрестных деревень. "
_JAPANESE = "この町は川のほとりにあり、毎週市場が開かれて、周りの村から人々が集まります。"
_NOISE = random.Random(0).randbytes(4_000)


def read(path: Path, data: bytes) -> tuple[list[str], dict[str, int]]:
    """The texts of a file of format text, and its drops."""
    path.write_bytes(data)
    reader = reader_for(RawFile(path.name, str(path), "own", "text"))
    return [document.text for document in reader()], dict(reader.num_dropped)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + _NOISE,
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + _NOISE,
        b"GIF89a" + _NOISE,
        b"%PDF-1.7\n" + b"1 0 obj << /Length 9 >> endobj\n" * 50,
        b"\x7fELF\x02\x01\x01" + bytes(500) + _NOISE,
        b"RIFF\x24\x08\x00\x00WAVEfmt " + _NOISE,
        b"SQLite format 3\x00" + bytes(100) + b"CREATE TABLE t (a, b)" + bytes(900),
        zlib.compress(_NOISE),
        b"PK\x03\x04\x14\x00\x06\x00word/document.xml" + _NOISE,  # .docx, .odt, .epub, .zip
        b"".join(b"./folder/file %d.txt\0" % number for number in range(99)),  # find -print0
        b"".join(b"word%d\0" % (number % 10) for number in range(99)),  # NULs at every second byte of pairs
        "".join(f"Straße {number}\0" for number in range(99)).encode(),
        _NOISE,
    ],
)
def test_no_text(tmp_path: Path, data: bytes) -> None:
    texts, dropped = read(tmp_path / "file.dat", data)
    assert texts == []
    assert sum(dropped.values()) == 1
    assert set(dropped) <= {"binary", "decode_error"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (_PROSE.encode(), _PROSE),
        (("\ufeff" + _PROSE).encode("utf-16"), _PROSE),
        (_PROSE.encode("utf-16-be"), _PROSE),
        (_RUSSIAN.encode("utf-16-le"), _RUSSIAN),
        ((_JAPANESE + "\n" + _JAPANESE + " (2024)\n").encode("utf-16-be"), _JAPANESE + "\n" + _JAPANESE + " (2024)\n"),
        (_PROSE.encode("cp1252"), _PROSE),
        ((_PROSE + "“Gänse”").encode("cp1252"), _PROSE + "“Gänse”"),
        ((_RUSSIAN * 3).encode("koi8-r"), _RUSSIAN * 3),
        ((_JAPANESE * 5).encode("shift_jis"), _JAPANESE * 5),
        ((_PROSE + "\x00" + _PROSE).encode(), _PROSE + _PROSE),  # one stray NUL
        (("\x1b[31mred\x1b[0m\tand\x0cnext page\x08 " * 20).encode(), None),  # a terminal's log
    ],
)
def test_texts_stay(tmp_path: Path, data: bytes, text: str | None) -> None:
    texts, dropped = read(tmp_path / "file.txt", data)
    assert dropped == {}
    assert len(texts) == 1
    assert text is None or texts[0].removeprefix("\ufeff").strip() == text.strip()
