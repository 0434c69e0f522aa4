"""Which licence a text is, by the phrases that it has. For orientation, not for legal decisions."""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?:un)?licen[cs]es?|copying|copyright|notice|(?:(?:un)?licen[cs]es?|copying)[._-].*|"
    r"(?:copyright|notice)\.(?:txt|md|rst)|.*\.licen[cs]e",
    re.IGNORECASE,
)
_CODE = (".py", ".pyi", ".pyc", ".js", ".ts", ".c", ".h", ".cc", ".cpp", ".go", ".rs", ".java", ".html", ".rb", ".php")


def is_licence_name(name: str) -> bool:
    """Whether a file of this name holds a licence: LICENSE, LICENCE.txt, COPYING.LESSER, NOTICE, MIT.license, ..."""
    return _NAME.fullmatch(name) is not None and not name.lower().endswith(_CODE)


# Phrases that a licence's text has, in lower case and with single spaces; all of a row must be there. The texts of the
# GPL do not say whether later versions may be chosen, so theirs are SPDX's short names.
_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Apache-2.0", ("apache license", "version 2.0", "terms and conditions for use, reproduction, and distribution")),
    ("Apache-2.0", ("licensed under the apache license, version 2.0",)),
    ("AGPL-3.0", ("gnu affero general public license version 3, 19 november 2007",)),
    ("GPL-3.0", ("gnu general public license version 3, 29 june 2007",)),
    ("GPL-2.0", ("gnu general public license version 2, june 1991",)),
    ("LGPL-3.0", ("gnu lesser general public license version 3, 29 june 2007",)),
    ("LGPL-2.1", ("gnu lesser general public license version 2.1, february 1999",)),
    ("MPL-2.0", ("mozilla public license version 2.0", "1. definitions")),
    ("MPL-2.0", ("mozilla public license, version 2.0", "1. definitions")),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("BSL-1.0", ("boost software license - version 1.0",)),
    ("PSF-2.0", ("python software foundation license version 2",)),
    ("Zlib", ("provided 'as-is', without any express or implied warranty", "must not be misrepresented")),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",)),
    (
        "MIT",
        (
            "permission is hereby granted, free of charge, to any person obtaining a copy",
            "permission notice shall be included in all copies",
        ),
    ),
)
_BSD = "redistribution and use in source and binary forms, with or without modification, are permitted"


def recognise_licence(text: str) -> str:
    """SPDX identifier of a licence by its key phrases; several are joined by AND, and `unknown` where there is none."""
    plain = re.sub(r"[\s*#/;%]+", " ", text.lower().replace("\u2019", "'").replace("\u2018", "'").replace("`", "'"))
    names = {name for name, phrases in _PHRASES if all(phrase in plain for phrase in phrases)}
    if _BSD in plain:
        advertising = "all advertising materials mentioning features" in plain
        endorsement = re.search(r"neither the names? |names? of .{1,200}? may not be used to endorse", plain)
        names.add("BSD-4-Clause" if advertising else "BSD-3-Clause" if endorsement else "BSD-2-Clause")
    return " AND ".join(sorted(names)) or "unknown"
