"""Language is told by prose: code, markup, addresses and numbers in a page do not change it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.filters.language import UNKNOWN, Language, identify_language, identify_languages, load_language_model
from pipeline.filters.language.prose import prose_of
from pipeline.filters.language.settings import LanguageSettings
from tests.pipeline.filters.filter_pages import load_pages

_SENTENCES = {
    "en": (
        "The library reads the file line by line and keeps a count of every word that it has seen so far.",
        "You can change how often the results are written to disk, which helps when the machine is slow.",
        "If nothing is found, the command prints a short message and ends without an error.",
    ),
    "de": (
        "Die Bibliothek liest die Datei Zeile für Zeile und zählt jedes Wort, das sie bis dahin gesehen hat.",
        "Sie können ändern, wie oft die Ergebnisse auf die Platte geschrieben werden, was langsamen Rechnern hilft.",
        "Wenn nichts gefunden wird, gibt der Befehl eine kurze Meldung aus und endet ohne Fehler.",
    ),
    "fr": (
        "La bibliothèque lit le fichier ligne par ligne et compte chaque mot qu'elle a déjà rencontré.",
        "Vous pouvez changer la fréquence à laquelle les résultats sont écrits sur le disque.",
        "Si rien n'est trouvé, la commande affiche un court message et se termine sans erreur.",
    ),
    "ja": (
        "このライブラリはファイルを一行ずつ読み込み、これまでに現れた単語の数を数えます。",
        "結果をディスクに書き込む頻度を変更することができ、遅いマシンで役に立ちます。",
        "何も見つからない場合、コマンドは短いメッセージを表示してエラーなしで終了します。",
    ),
    "ru": (
        "Библиотека читает файл построчно и ведёт счёт каждому встреченному слову.",
        "Вы можете изменить, как часто результаты записываются на диск, что помогает на медленных машинах.",
        "Если ничего не найдено, команда выводит короткое сообщение и завершается без ошибки.",
    ),
}
_SHELL = (
    "$ sudo apt-get install -y build-essential libssl-dev\n$ ./configure --prefix=/usr/local --with-ssl=/opt/openssl\n"
    "$ make -j4 && sudo make install\n$ curl -fsSL https://example.com/install.sh | bash -s -- --yes\n"
    "$ docker run --rm -it -v $(pwd):/src -w /src node:18 npm ci\n"
    "$ git clone https://example.com/user/repo.git && cd repo\n"
    "$ python -m venv .venv && . .venv/bin/activate\n$ chmod +x run.sh && ./run.sh --verbose --dry-run\n"
) * 3
_CODE = """import os
from collections import defaultdict

def main(argv=None):
    args = make_parser().parse_args(argv)
    for path in args.paths:
        with open(path) as handle:
            for number, line in enumerate(handle):
                counts[line.strip()] += 1
    return 0

if __name__ == "__main__":
    sys.exit(main())
"""
_NUMBERS = "".join(
    f"{n:4d} | {n * 3.7:9.3f} | {n * n:7d} | 0x{n * 7919:06x} | 2021-0{n % 9 + 1}-1{n % 9}\n" for n in range(60)
)
_URLS = "".join(f"https://www.example{n}.com/path/to/page-{n}.html?id={n * 17}&ref=abc{n}\n" for n in range(50))


def _indented(text: str, spaces: int = 4) -> str:
    return "".join(" " * spaces + line if line.strip() else line for line in text.splitlines(keepends=True))


def _docstrings(*sentences: str) -> str:
    return "".join(
        f'def function_{n}(self, value_{n}, *args, **kwargs):\n    """{sentence}\n\n    :param value_{n}: {sentence}\n'
        f'    """\n    return self._inner.call_{n}(value_{n}, *args, **kwargs)\n\n\n'
        for n, sentence in enumerate(sentences)
    )


def _log(*sentences: str) -> str:
    return "".join(
        f"2024-01-0{n} 12:3{n}:11,123 INFO [org.example.kafka.Metadata] (thread-{n}) {sentence}\n"
        + "".join(f"\tat com.example.app.Service$Inner.method{k}(Service.java:{k * 31})\n" for k in range(12))
        for n, sentence in enumerate(sentences)
    )


def _json(*sentences: str) -> str:
    rows = "".join(
        f'  "message_{n}": "{sentence}",\n  "endpoint_{n}": "/api/v1/items/{n}",\n  "enabled_{n}": true,\n'
        for n, sentence in enumerate(sentences * 3)
    )
    return "{\n" + rows + "}\n"


def _latex(*sentences: str) -> str:
    first, second, third = sentences
    return (
        f"\\documentclass{{article}}\n\\usepackage[utf8]{{inputenc}}\n\\begin{{document}}\n{first}\n"
        "\\begin{equation}\n\\frac{\\partial u}{\\partial t} = \\nabla^2 u + \\sum_{i=0}^{n} x_i^2\n\\end{equation}\n"
        f"{second}\n\\begin{{tabular}}{{lrr}}\nalpha & 1.2 & 3.4 \\\\\nbeta & 4.1 & 0.3 \\\\\n\\end{{tabular}}\n"
        f"{third}\n\\end{{document}}\n"
    )


def _html(*sentences: str) -> str:
    return "".join(
        f'<div class="container main-content" id="sec{n}"><p style="margin:0">{sentence}</p>'
        f'<a href="https://example.com/a/{n}?x=1">#{n}</a></div>\n'
        for n, sentence in enumerate(sentences)
    )


_KINDS: dict[str, Callable[[str, str, str], str]] = {
    "Markdown with fences": lambda a, b, c: (
        f"# wordcount\n\n{a}\n\n```python\n{_CODE}```\n\n{b}\n\n```sh\n{_SHELL}```\n\n{c}\n\n~~~\n{_CODE}~~~\n"
    ),
    "Markdown with indented code": lambda a, b, c: f"{a}\n\n{_indented(_CODE)}\n\n{b}\n\n{_indented(_SHELL)}\n\n{c}\n",
    "reStructuredText": lambda a, b, c: (
        f"wordcount\n=========\n\n{a}\n\n.. code-block:: python\n   :linenos:\n\n{_indented(_CODE, 3)}\n\n{b} ::\n\n"
        f"{_indented(_SHELL)}\n\n{c}\n\n.. toctree::\n   :maxdepth: 2\n\n   install\n   usage\n   api/index\n"
    ),
    "shell commands": lambda a, b, c: f"{a}\n{_SHELL}\n{b}\n{_SHELL}\n",
    "tables of numbers": lambda a, b, c: f"{a}\n{_NUMBERS}\n{b}\n{_NUMBERS}\n",
    "URLs": lambda a, b, c: f"{a}\n{_URLS}\n{b}\n{_URLS}\n",
    "docstrings": _docstrings,
    "log": _log,
    "JSON": _json,
    "LaTeX": _latex,
    "HTML": _html,
}


@pytest.mark.parametrize("code", _SENTENCES)
@pytest.mark.parametrize("kind", _KINDS)
def test_the_prose_of_a_page_is_its_language(kind: str, code: str) -> None:
    found = identify_language(_KINDS[kind](*_SENTENCES[code]))
    assert found.code == code
    assert found.score >= 0.85


@pytest.mark.parametrize(
    "text", [_SHELL, _NUMBERS * 2, _URLS, "foo_bar(x)\n", "$HOME/bin /usr/lib/x86_64 a@b.example\n" * 9]
)
def test_a_page_without_prose_has_no_language(text: str) -> None:
    assert identify_languages(text) == [Language(UNKNOWN, 0.0)]


def test_what_is_left() -> None:
    text = (
        "# Starting `wordcount`\n\nThis is *the* [manual](https://example.com/a_b) of version 2.1, see it below.\n"
        "\n```\nnever closed\n\nHere the words of someone go on, and they stay, since no fence closes.\n"
    )
    assert prose_of(text) == (
        "This is the manual of version see it below.\n"
        "Here the words of someone go on, and they stay, since no fence closes."
    )
    assert prose_of("Menu\nPrice list\n12.50\n") == "Menu\nPrice list"
    assert prose_of("使用Python3的方法可以很容易地处理这些文件。") == "使用 的方法可以很容易地处理这些文件。"
    assert prose_of("It's the dog's, isn't it? (Yes, well-known.)") == "It's the dog's, isn't it? (Yes, well-known.)"
    assert prose_of("") == ""


def test_ordinary_pages_are_labelled_as_before(shared_data: Path) -> None:
    """Of real pages, the label and the decision at the default threshold are those of the whole text."""
    model = load_language_model()
    pages = load_pages(shared_data / "web" / "trafilatura", {None}, 200)
    threshold = LanguageSettings().language_threshold
    changed = 0
    for page in pages:
        if not any(map(str.isalpha, page.text)):
            continue
        whole, found = model.predict(page.text)[0], identify_language(page.text)
        changed += (whole.code, whole.score >= threshold) != (found.code, found.score >= threshold)
    assert len(pages) >= 150
    assert changed <= len(pages) // 100


@pytest.mark.parametrize(
    "unit",
    ["`", "``` x\n", "<", "<!--", "[](", "\\a{", "a::\n", " 1", "*_", ":a:`", "aB.", "中a", ">>> ", "\t", "~~~\n```\n"],
)
def test_hostile_texts_are_read(unit: str) -> None:
    """A search that goes back over the text for each of these would take minutes."""
    assert len(prose_of(unit * (200_000 // len(unit)))) <= 400_000
