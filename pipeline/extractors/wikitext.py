"""Wikitext to plain text: headings, paragraphs, lists and link labels stay; everything that is not prose goes.

The work is mwparserfromhell's parse tree; this module decides what of it is text.
"""

from __future__ import annotations

import html
import re
from typing import Any

import mwparserfromhell
from mwparserfromhell.nodes import (
    Argument,
    Comment,
    ExternalLink,
    Heading,
    HTMLEntity,
    Tag,
    Template,
    Text,
    Wikilink,
)

# Names of the File and Category namespaces beyond English, by language.
_MEDIA_NAMES = {
    "ar": ("ملف", "تصنيف"), "bg": ("Файл", "Категория", "Картинка"), "bn": ("চিত্র", "বিষয়শ্রেণী"),
    "ca": ("Fitxer", "Categoria"),
    "cs": ("Soubor", "Kategorie"), "da": ("Fil", "Kategori"), "de": ("Datei", "Bild", "Kategorie"),
    "el": ("Αρχείο", "Εικόνα", "Κατηγορία"), "eo": ("Dosiero", "Kategorio"), "es": ("Archivo", "Imagen", "Categoría"),
    "et": ("Pilt", "Fail", "Kategooria"), "eu": ("Fitxategi", "Irudi", "Kategoria"), "fa": ("پرونده", "رده"),
    "fi": ("Tiedosto", "Kuva", "Luokka"), "fr": ("Fichier", "Catégorie"), "he": ("קובץ", "תמונה", "קטגוריה"),
    "hi": ("चित्र", "श्रेणी"), "hr": ("Datoteka", "Slika", "Kategorija"), "hu": ("Fájl", "Kép", "Kategória"),
    "hy": ("Պատկեր", "Կատեգորիա"), "id": ("Berkas", "Gambar", "Kategori"), "it": ("File", "Immagine", "Categoria"),
    "ja": ("ファイル", "画像", "カテゴリ"), "ko": ("파일", "그림", "분류"), "lt": ("Vaizdas", "Kategorija"),
    "lv": ("Attēls", "Kategorija"), "mr": ("चित्र", "वर्ग"), "nl": ("Bestand", "Afbeelding", "Categorie"),
    "no": ("Fil", "Kategori"),
    "pl": ("Plik", "Grafika", "Kategoria"), "pt": ("Ficheiro", "Imagem", "Arquivo", "Categoria"),
    "ro": ("Fișier", "Imagine", "Categorie"), "ru": ("Файл", "Изображение", "Категория"), "sk": ("Súbor", "Kategória"),
    "sl": ("Slika", "Kategorija"), "sr": ("Датотека", "Слика", "Категорија"), "sv": ("Fil", "Bild", "Kategori"),
    "th": ("ไฟล์", "ภาพ", "หมวดหมู่"), "tr": ("Dosya", "Resim", "Kategori"), "uk": ("Файл", "Зображення", "Категорія"),
    "vi": ("Tập tin", "Hình", "Thể loại"), "zh": ("文件", "图像", "档案", "分类", "分類", "檔案"),
}  # fmt: skip
_ENGLISH_MEDIA_NAMES = ("file", "image", "media", "category")
_DROPPED_TAGS = frozenset(
    {"ref", "references", "gallery", "table", "timeline", "imagemap", "score", "graph", "mapframe", "maplink", "hiero"}
    | {"templatedata", "templatestyles", "style", "script", "noinclude", "includeonly", "onlyinclude", "inputbox"}
    | {"categorytree", "indicator"}
)
_KEPT_RAW_TAGS = frozenset({"math", "chem", "ce", "syntaxhighlight", "source"})
_BLOCK_TAGS = frozenset(
    {"p", "div", "blockquote", "center", "li", "ul", "ol", "dl", "tr", "td", "th", "poem", "pre"}
    | {"h1", "h2", "h3", "h4", "h5", "h6"}
)
_REDIRECT = re.compile(r"\s*#\s*\w+\s*:?\s*\[\[[^\]\n]+\]\]", re.UNICODE)
_INTERLANGUAGE = re.compile(
    r"^:?(?:[a-z]{2,3}|simple|zh-[a-z\-]+|be-x-old|roa-[a-z]+|map-bms|bat-smg|fiu-vro|nds-nl|cbk-zam):"
)
_MAGIC_WORD = re.compile(r"__[^\W\d_a-z]{3,}(?:_[^\W\d_a-z]+)*__", re.UNICODE)
_BROKEN_MARKUP = re.compile(
    r"\{\{[^{}]*\}\}|\{\{|\}\}|\[\[|\]\]|\{\||\|\}|<ref[^<>]*/>|</?[a-zA-Z][^<>\n]{0,200}>|'''''|'''|''"
)
_SPACES = re.compile(r"[ \t\xa0]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_EMPTY_BRACKETS = re.compile(r"\(\s*+(?:[,;:]\s*+)?+\)")
_LIST_LINE = re.compile(r"^[ \t]*[*#:;]+[ \t]*", re.MULTILINE)

_OPENERS = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|\[(?=[a-zA-Z/])|\]|<(/?)([a-zA-Z][a-zA-Z0-9]*+)([^<>]*+)(>?)",
)
_CLOSED_BY = {"}}": "{{", "]]": "[[", "|}": "{|", "]": "["}
_LONE_TAGS = frozenset({"br", "hr", "wbr", "img", "li", "dt", "dd", "td", "th", "tr"})
# For each opener that nothing closes the parser reads on to the end, and then again without it.
MAX_OPEN_MARKUP = 300
MAX_OPEN_TAGS = 2000
MAX_REREAD_CHARACTERS = 1 << 26  # open markup times the page's characters; about 10 s


def is_redirect(text: str) -> bool:
    """Whether wikitext is a redirect, in whatever language it says so."""
    return _REDIRECT.match(text[:1000]) is not None


def open_markup(wikitext: str) -> tuple[int, int]:
    """How many templates, links and tables, and how many tags, are open at once, at most; linear in the text."""
    counts: dict[str, int] = {}
    markup = tags = most_markup = most_tags = 0
    for token in _OPENERS.finditer(wikitext):
        if token[2] is None:
            name = token[0]
            if (opener := _CLOSED_BY.get(name)) is None:
                counts[name] = counts.get(name, 0) + 1
                markup += 1
                most_markup = max(most_markup, markup)
            elif counts.get(opener):
                counts[opener] -= 1
                markup -= 1
            continue
        name = f"<{token[2].lower()}"
        if token[1]:
            if counts.get(name):
                counts[name] -= 1
                tags -= 1
        elif not (token[4] and (token[3].endswith("/") or name[1:] in _LONE_TAGS)):
            counts[name] = counts.get(name, 0) + 1
            tags += 1
            most_tags = max(most_tags, tags)
    return most_markup, most_tags


def is_nested_too_deep(wikitext: str) -> int:
    """The levels of open markup of a page that would hold up the parser, else 0."""
    markup, tags = open_markup(wikitext)
    reread = (markup + tags) * len(wikitext)
    too_deep = markup > MAX_OPEN_MARKUP or tags > MAX_OPEN_TAGS or reread > MAX_REREAD_CHARACTERS
    return markup + tags if too_deep else 0


def wikitext_to_text(wikitext: str, language: str | None = None) -> str:
    """Plain text of a page's wikitext; paragraphs are parted by an empty line, list items are lines with `- `.

    language: ISO 639-1 code; it says what files and categories are called. Never raises for any string.
    """
    dropped_namespaces = frozenset(
        name.casefold() for name in (*_ENGLISH_MEDIA_NAMES, *_MEDIA_NAMES.get(language or "", ()))
    )
    parts: list[str] = []
    _render(mwparserfromhell.parse(wikitext, skip_style_tags=True).nodes, dropped_namespaces, parts)
    return _tidy("".join(parts))


def _render(nodes: Any, dropped_namespaces: frozenset[str], parts: list[str]) -> None:
    for node in nodes:
        if isinstance(node, Text):
            parts.append(node.value)
        elif isinstance(node, Wikilink):
            _render_link(node, dropped_namespaces, parts)
        elif isinstance(node, Tag):
            _render_tag(node, dropped_namespaces, parts)
        elif isinstance(node, Heading):
            parts.append("\n\n")
            _render(node.title.nodes, dropped_namespaces, parts)
            parts.append("\n\n")
        elif isinstance(node, ExternalLink):
            if node.title is not None:
                _render(node.title.nodes, dropped_namespaces, parts)
            elif not node.brackets:
                parts.append(str(node.url))
        elif isinstance(node, HTMLEntity):
            parts.append(html.unescape(str(node)))
        elif not isinstance(node, (Template, Comment, Argument)):
            parts.append(str(node))


def _render_link(node: Any, dropped_namespaces: frozenset[str], parts: list[str]) -> None:
    target = str(node.title).strip()
    prefix, separator, _ = target.partition(":")
    if separator and (prefix.strip().casefold() in dropped_namespaces or _INTERLANGUAGE.match(target)):
        return
    if node.text is not None:
        _render(node.text.nodes, dropped_namespaces, parts)
    else:
        parts.append(target.lstrip(":"))


def _render_tag(node: Any, dropped_namespaces: frozenset[str], parts: list[str]) -> None:
    name = str(node.tag).strip().lower()
    if name == "br":
        parts.append("\n")
        return
    if node.wiki_markup in ("*", "#", ":", ";"):
        parts.append(node.wiki_markup)
        return
    if node.wiki_markup and name == "hr":
        parts.append("\n")
        return
    if name in _KEPT_RAW_TAGS:
        if node.contents is not None:
            parts.append(str(node.contents))
        return
    if name in _DROPPED_TAGS:
        return
    if name in _BLOCK_TAGS:
        parts.append("\n")
    if node.contents is not None:
        _render(node.contents.nodes, dropped_namespaces, parts)
    if name in _BLOCK_TAGS:
        parts.append("\n")


def _tidy(text: str) -> str:
    """Remove what markup left behind: magic words, broken markup, empty brackets, spaces and blank lines."""
    text = _MAGIC_WORD.sub("", text)
    text = _BROKEN_MARKUP.sub("", text)
    text = _EMPTY_BRACKETS.sub("", text)
    text = _LIST_LINE.sub(lambda marker: "- " if marker.group().strip()[-1] in "*#" else "", text)
    lines = [_SPACES.sub(" ", line).strip() for line in text.split("\n")]
    kept = [line for line in lines if line not in ("-", "*", "|", "|-")]
    return _BLANK_LINES.sub("\n\n", "\n".join(kept)).strip()
