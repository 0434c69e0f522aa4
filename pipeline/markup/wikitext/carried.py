"""What templates print, as far as it is known from their name and arguments.

Templates cannot be expanded without the wiki's other pages. What is known of these is that they print their arguments,
under the same name on most wikis that have them. A template that may print another value than an argument as it stands
is in the table with a renderer that knows its other arguments, or in none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.markup.wikitext import dates, values
from pipeline.markup.wikitext.arguments import EQUALS, PIPE, Arguments, read_arguments, unguard
from pipeline.markup.wikitext.tags import CUT, decode_entities, put_aside, put_back

Renderer = Callable[[Arguments, "str | None"], "str | None"]
_TEXT_ARGUMENTS = ("text", "quote", "texte", "testo", "texto", "content", "цитата", "sign")
_LIST_LINE = re.compile(r"\s*+[*#:;]++\s*+")
_COLUMN = re.compile(r"col[0-9]{1,2}")
_TAG_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]*")


def _first(arguments: Arguments, language: str | None) -> str | None:
    return next(iter(arguments.positional), "") or _by_name(arguments)


def _by_name(arguments: Arguments) -> str | None:
    return next((arguments.named[name] for name in _TEXT_ARGUMENTS if name in arguments.named), None)


def _only(arguments: Arguments, language: str | None) -> str | None:
    """The one argument of a template of which others might change what it says."""
    return arguments.positional[0] if len(arguments.positional) == 1 and not arguments.named else None


def _last_of(part: slice) -> Renderer:
    """The last of these arguments; the one that has a name of a text where there is none."""

    def render(arguments: Arguments, language: str | None) -> str | None:
        words = arguments.positional[part]
        return words[-1] if words else _by_name(arguments)

    return render


def _visible(arguments: Arguments, language: str | None) -> str | None:
    """The text behind a key that sorts it; the key where there is none."""
    words = arguments.positional
    return words[1] if len(words) > 1 and words[1] else words[0] if words else None


def _person(arguments: Arguments, language: str | None) -> str | None:
    return " ".join(word for word in arguments.positional[:2] if word) or None


def _joined(separator: str) -> Renderer:
    return lambda arguments, language: separator.join(word for word in arguments.positional if word) or None


def _hidden(arguments: Arguments, language: str | None) -> str | None:
    return ""


def _items(arguments: Arguments) -> list[str]:
    """The items of a list: its arguments, of which one may be a list of wikitext."""
    items = []
    for argument in arguments.positional:
        if _LIST_LINE.match(argument) is None and "\n" not in argument:
            items.append(argument)
            continue
        items += [_LIST_LINE.sub("", line, count=1) for line in argument.split("\n")]
    return [item for item in items if item.strip()]


def _list(separator: str) -> Renderer:
    return lambda arguments, language: separator.join(item.strip() for item in _items(arguments)) or None


def _block_list(arguments: Arguments, language: str | None) -> str | None:
    items = _items(arguments)
    title = arguments.named.get("title", "")
    # Tags, since a template prints no line ends in the cell of a table.
    text = "".join(f"<li>{item.strip()}</li>" for item in items)
    return f"{title}<ul>{text}</ul>" if text else None


def _block(arguments: Arguments, language: str | None) -> str | None:
    """Wikitext that stands in columns."""
    words = [*arguments.positional, arguments.named.get("content", "")]
    content = next((word for word in words if "\n" in word or _LIST_LINE.match(word)), None)
    return f"\n{content}\n" if content else None


def _columns(arguments: Arguments, language: str | None) -> str | None:
    names = sorted((name for name in arguments.named if _COLUMN.fullmatch(name)), key=lambda name: int(name[3:]))
    content = [arguments.named[name] for name in names]
    return f"\n{chr(10).join(content)}\n" if content else None


def _line(arguments: Arguments, language: str | None) -> str | None:
    text = _first(arguments, language)
    return f"\n{text}\n" if text else None


def _template_name(arguments: Arguments, language: str | None) -> str | None:
    words = [word for word in arguments.positional if word]
    return "{{" + "|".join(words) + "}}" if words and "code" not in arguments.named else None


def _parameter(arguments: Arguments, language: str | None) -> str | None:
    words = arguments.positional
    return f"|{words[0]}={'' if len(words) < 2 else words[1]}" if words else None


def _tag_example(arguments: Arguments, language: str | None) -> str | None:
    words = [*arguments.positional, "", ""]
    if _TAG_NAME.fullmatch(words[0]) is None:
        return None
    attributes = arguments.named.get("attribs") or arguments.named.get("params") or ""
    opened = f"<{words[0]}{' ' if attributes else ''}{attributes}"
    content = arguments.named.get("content", "...")
    kind = words[1].lower()[:1]
    return {"s": f"{opened} />", "o": f"{opened}>", "e": f"</{words[0]}>", "c": f"</{words[0]}>"}.get(
        kind, f"{opened}>{content}</{words[0]}>"
    )


def _in(before: str, after: str = "") -> Renderer:
    """The one argument, between these."""
    return lambda arguments, language: (
        f"{before}{arguments.positional[0]}{after}" if len(arguments.positional) == 1 else None
    )


_TEXTS: list[tuple[Renderer, str]] = [
    (
        _first,
        "1x|echo|nowrap|nobr|nobreak|nobold|noitalic|noitalics|small|smaller|big|larger|sc|smallcaps|allcaps"
        "|mono|tt|em|strong|strikethrough|bdi|bdo|abbr|tooltip|polytonic|unicode|hebrew|nastaliq|angbr|proper name"
        "|nihongo|nihongo2|nihongo3|ruby|ルビ|読み仮名|ill|ill2|interlanguage link|link-interwiki|仮リンク|lien"
        "|не переведено|flag|flagu|flagcountry|flagg|quote|blockquote|cquote|bquote|quotation|nq|tq|poemquote|poem"
        "|verse|verse translation|citazione|zitat|cita|citation bloc|citat|sitat|citaat|цитата|উক্তি|samp|kbd",
    ),
    (_only, "num|vr"),
    (_last_of(slice(None)), "transl|transliteration|transcr|rl|audio|fontcolor|font color|colore"),
    (_last_of(slice(2)), "resize|script"),  # behind what says how it looks, where that is there
    (_last_of(slice(1, 2)), "lang|langx|rtl-lang|lang-rtl|langue|lang2|wikt-lang|color|fontsize|hover"),
    (_joined("+"), "key|keypress|key press|button"),
    (_joined(""), "linktext"),
    (_visible, "sort|sorted|table sort|tri|ordenar|ソート"),
    (_person, "sortname|sort name|tri nom|sortkeyname|ordenar nombre"),
    (_columns, "columns|column"),
    (_line, "term|defn|glossary term"),
    (_joined("\n"), "hidden|br separated entries"),
    (_hidden, "ntsh|hs|sort key|sortkey|dtsh|hidden sort key"),
    (_list(" · "), "hlist|flatlist|horizontal list|flat list|hlist-comma"),
    (_list(", "), "cslist|comma separated entries|csl"),
    (
        _block_list,
        "plainlist|plain list|ubl|unbulleted list|ublist|ubli|bulleted list|blist|ordered list|olist|numbered list"
        "|collapsible list|unordered list|indented plainlist|vunblist|unbullet|liste à puces|lista sin viñetas"
        "|lista não ordenada|箇条書き|無番号リスト|плоский список|ненумерованный список|простий список",
    ),
    (_block, "columns-list|columns list|multicol-list|colonnes|col list|tree list|flowlist"),
]
# A value of which a part is not known is none.
_VALUES: list[tuple[Renderer, str]] = [
    (values.convert, "convert|cvt|conv|converter|convertir|converti|převod|konvertera|mérték átváltás"),
    (values.val, "val"),
    (values.unit, "unité|unite|unidad|unitat|unidade|unità|nombre|unité/2"),
    (values.prefixed_unit, "m"),
    (values.plain_unit, "unit|einheit|eenheid|enhet|jednostka"),
    (values.number, "nts|number table sorting|nombre triable"),
    (values.fraction, "frac|sfrac|fraction|fracción|fraccion|fração|frazione|fracció|дробь|分数|分數|mfrac|frac2"),
    (values.mixed_or_gap, "bruch|breuk|bråk|brøk|ułamek|zlomek|дріб|murtoluku|tört|kesir"),
    (values.power_of_ten, "e|x10^|×10^"),
    (values.bare_power_of_ten, "10^"),
    (values.plus_minus, "±|+-|plusminus"),
    (values.circa, "circa|c.|ca.|zirka|около"),
    (values.root, "sqrt|radic|racine|raíz|кв. корень"),
    (values.formula, "math|mvar|bigmath"),
    (_in("<sup>", "</sup>"), "sup|exp|exposant|superíndice"),
    (_in("<sub>", "</sub>"), "sub|subíndice"),
    (values.chemical, "chem|chem/atom|формула вещества"),
    (values.chemical_formula, "chem2"),
    (dates.date_month_first, "birth date|death date|start date|end date|film date|birth date and age|bda"
        "|start date and age|birth-date|death date and age|dda"),
    (dates.sorted_date, "dts|date table sorting"),
    (dates.as_of, "as of"),
    (_in("€"), "€|euro"), (_in("£"), "£|gbp"), (_in("US$"), "us$|usd"), (_in("₹"), "₹|inr"),
    (_in("¥"), "¥"), (_in("A$"), "a$"), (_in("C$"), "c$"),
]  # fmt: skip


def _by_name_of(table: list[tuple[Renderer, str]]) -> dict[str, Renderer]:
    return {name: renderer for renderer, names in table for name in names.split("|")}


# Code that the page shows as it is: what follows must not take it for markup.
_CODE: list[tuple[Renderer, str]] = [
    (_first, "code|codett|codenowiki|syntaxhighlight|pre|pre2|ic|bc"),
    (
        _template_name,
        "tl|tlx|tlp|tlc|tlf|tld|tlxs|tlg|template link|template link expanded|modèle|vorlage|plantilla|шаблон|sjabloon"
        "|szablon",
    ),
    (_parameter, "para"),
    (_tag_example, "tag|xtag|html element"),
]
_TEXT_RENDERERS, _VALUE_RENDERERS, _CODE_RENDERERS = (_by_name_of(table) for table in (_TEXTS, _VALUES, _CODE))
_CHARACTERS = {
    "!": PIPE, "=": EQUALS, "!!": PIPE * 2, "!-": f"{PIPE}-", "(!": "{" + PIPE, "!)": PIPE + "}", "(": "{", ")": "}",
    "·": " · ", "•": " • ", "dot": " · ", "bull": " • ", "–": " – ", "ndash": "–", "snd": " – ",
    "spaced ndash": " – ", "spnd": " – ", "mdash": "—", "—": " — ", "spaced mdash": " — ", "nbsp": " ", "space": " ",
    "'": "'", "\"": "\"", "thinsp": " ", "hair space": " ", "shy": "", "pipe": PIPE, "times": "×", "degree": "°",
    "comma": ",", "zwj": "\u200d", "zwnj": "\u200c", "wbr": "", "ellipsis": "…", "±": "±", "+-": "±", "pm": "±",
    "sdot": "⋅", "cdot": "·", "middot": "·", "pi": "π", "infin": "∞", "minus": "−",
    "'s": "'s", "’s": "’s", "colon": ":", "asterisk": "*", "*": " • ", "number sign": "#",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "lc": str.lower,
    "uc": str.upper,
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
}
# `formatnum` in the languages of MediaWiki's interface.
_FORMAT_NUMBER_NAMES = (
    "#formatnum|arvuvormindus|babetnayiş|bi̇çi̇mnum|fformatiorhif|forang|format nombro|formatangka|formateranum"
    "|formateratal|formatnombre|formatnr|formatnum|formatonumero|formatonúmero|formattal|formatteernum"
    "|formátujčíslo|formázottszám|muotoileluku|numerickiformat|numeričkiformat|numformatteren|oblikbroja"
    "|phân chia số|phânchiasố|sanpi̇şi̇mi̇|számform|számformázás|yupayrikchakuy|zahlenformat|zueleformat"
    "|μορφοποιησηαριθμου|санпішімі|терахьан барамхlоттор|фарматаваць лік|форматброј|формати рақам"
    "|форматировать число|форматувати число|чыыһыланы формааттаа|ձեվել թիվը|עיצוב מספר|آرایش عدد|آرایش\u200cعدد"
    "|سانپىشىمى|صيغة رقم|صیغہ عدد|क्रमपद्धती|प्रारूपसङ्ख्या|रचनासंख्या|संख्या रूप|নম্বর বিন্যাস|নম্বরবিন্যাস"
    "|ദശാംശഘടന|സംഖ്യാഘടന|数整形|格式化数字|수형식"
)
_FORMAT_NUMBER = frozenset(_FORMAT_NUMBER_NAMES.split("|"))


def character(name: str, language: str | None) -> str | None:
    """The text that a template of this name, without arguments, stands for."""
    if language == "fr" and name in ("2", "3"):  # km{{2}}
        return f"<sup>{name}</sup>"
    return _CHARACTERS.get(name)


def is_carried(name: str) -> bool:
    """Whether a template of this name, in lower case, prints something that is known."""
    if name in _TEXT_RENDERERS or name in _VALUE_RENDERERS or name in _CODE_RENDERERS:
        return True
    return len(name) < 16 and name.startswith(("lang-", "lang "))


def render(name: str, body: str, language: str | None, aside: list[str]) -> str | None:
    """What a template with these arguments prints; None where it is not known.

    Code goes to `aside`; a mark stands for it.
    """
    arguments = read_arguments(body)
    if (renderer := _VALUE_RENDERERS.get(name)) is not None:
        return None if CUT in body else renderer(arguments, language)
    if (renderer := _CODE_RENDERERS.get(name)) is not None:
        code = renderer(arguments, language)
        return keep_aside(code, aside) if code else None
    return _TEXT_RENDERERS.get(name, _first)(arguments, language)


def keep_aside(code: str, aside: list[str]) -> str:
    """A mark for code that no later pass may touch."""
    return put_aside(decode_entities(put_back(unguard(code), aside)).replace(CUT, ""), aside)


def is_function(name: str) -> bool:
    """Whether a parser function of this name, in lower case, prints something that is known."""
    return name in _FUNCTIONS or name in _FORMAT_NUMBER


def render_function(name: str, argument: str, language: str | None) -> str | None:
    """What a function that `is_function` knows prints; None where that is not known."""
    if (change := _FUNCTIONS.get(name)) is not None:
        return argument if "[" in argument or "<" in argument else change(argument.strip())
    number, _, how = (part.strip() for part in argument.partition("|"))
    if how.upper() == "R":
        return number
    if how.upper() == "NOSEP":
        return values.local_number(number, language)
    return None if how else values.format_number(number, language)
