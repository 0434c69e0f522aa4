"""Templates that print a value: numbers with their units, powers, ranges and uncertainties, fractions, formulas.

A renderer gives the whole value or None. What a template's other arguments do is written on its wiki and not in the
page, so one that is not understood leaves a gap: never the bare number, which may be another one.
"""

from __future__ import annotations

import re

from pipeline.markup.wikitext.arguments import Arguments
from pipeline.markup.wikitext.tags import decode_entities

_NUMBER = re.compile(r"[~≈<>≤≥]?\s?[+\-−–±]?\s?(?:\d[\d,.'’٫٬ \xa0\u2009\u202f]*)(?:e[+\-−]?\d+)?", re.IGNORECASE)
_MIXED = re.compile(r"([+\-−]?)(?:(\d[\d,]*)[+\-])?(\d+)//?(\d+)")
_POWER_OF_TEN = re.compile(r"(.*\d)e([+\-−]?\d+)", re.IGNORECASE)
_EXPONENT = re.compile(r"[+\-−–]?\d+(?:/\d+)?")
_PLAIN = re.compile(r"([+\-−–]?)(\d+)(?:\.(\d+))?")


def _set(words: str) -> frozenset[str | None]:
    return frozenset(words.split())


# How languages write numbers: MediaWiki's tables of separators. Those of no table here are not known.
_SPACED = _set(
    "af be bg br cs eo es et fi fr frp fur hu hy ia it kaa ksh lbe ln lt lv nb nn no oc pl pt ru sah se sk sv udm uk uz"
)
_DOTTED = _set("az bs ca da de el eu fy gl hr id is mk nds nl ro sh sl sq sr tr vi")
_COMMAS = _set("en ja zh ko he th tl ms cy ga yue la") | {None}
_LARGE_ONLY = _set("bg es et hy pl ru uk")  # four digits are not grouped
# Arguments that change no value.
_LOOKS = _set(
    "abbr adj lk link sp sigfig sing sortable comma spell round fmt nocategory class style lang langue qid cat wiki "
    "debug frac order title size notes ref"
)
_RANGES = {
    "to": " to ", "-": "–", "–": "–", "and": " and ", "or": " or ", "x": " × ", "×": " × ", "*": " × ", "by": " by ",
    "xx": " × ", "/": "/", "+/-": " ± ", "±": " ± ", "to(-)": " to ", "(-)": "–", "and(-)": " and ", "to about":
    " to about ", "à": " à ", "bis": " bis ", "+": " + ", ",": ", ", "и": " и ", "y": " y ", "e": " e ", "a": " a ",
    "−": "–", "–to–": "–", "~": "–", "〜": "–", "－": "–",
}  # fmt: skip
_COMPOSITES = _set("ft,in yd,ft lb,oz st,lb mi,yd mi,ch mi,ft foot,in min,s h,min lbs,oz yd,in acre,rood")
_UNITS = {
    "c": "°C", "°c": "°C", "degc": "°C", "f": "°F", "°f": "°F", "degf": "°F", "c-change": "°C", "f-change": "°F",
    "k-change": "K", "sqkm": "km<sup>2</sup>", "sqm": "m<sup>2</sup>", "sqcm": "cm<sup>2</sup>", "sqmi": "sq mi",
    "sqft": "sq ft", "sqin": "sq in", "sqyd": "sq yd", "cuft": "cu ft", "cuin": "cu in", "cuyd": "cu yd",
    "cumi": "cu mi", "cum": "m<sup>3</sup>", "cukm": "km<sup>3</sup>", "kph": "km/h", "kmh": "km/h", "inhg": "inHg",
}  # fmt: skip
_ENGINEERING = {"3": "thousand", "6": "million", "9": "billion", "12": "trillion"}
_ENGINEERED = re.compile(r"e(\d+)(?=\D)(.+)")
_UNIT_POWER = re.compile(r"(?<=[a-z])([23])(?![\d.])")
# In names of units that are not codes of conversions: `m/s2`, `mol-1`, `kg.m-3`.
_NAME_POWER = re.compile(r"(?<=[a-zµμΩÅм])([23]|[-−][1-9])(?![\w<])|(?<=[A-Z])([-−][1-9])(?![\w<])")


def local_number(number: str, language: str | None) -> str:
    """A number of digits and a point as it is printed in a language that has a comma there."""
    plain = _PLAIN.fullmatch(number)
    if plain is None or plain[3] is None or not (language in _SPACED or language in _DOTTED):
        return number
    return number.replace(".", ",")


def format_number(number: str, language: str | None) -> str:
    """A number as `{{formatnum:...}}` prints it, its thousands grouped as the language does; other text as it is."""
    plain = _PLAIN.fullmatch(number.strip())
    if plain is None:
        return number
    sign, whole, rest = plain.groups()
    group = " " if language in _SPACED else "." if language in _DOTTED else "," if language in _COMMAS else ""
    if group and not (language in _LARGE_ONLY and len(whole) < 5):
        start = len(whole) % 3
        groups = [whole[:start], *(whole[place : place + 3] for place in range(start, len(whole), 3))]
        whole = group.join(filter(None, groups))
    if not rest:
        return sign + whole
    return f"{sign}{whole}{',' if language in _SPACED or language in _DOTTED else '.'}{rest}"


def _number(text: str, language: str | None) -> str | None:
    """A number as it is printed: `1 3/4` of `1+3/4`, `1.5×10^6` of `1.5e6`; None for what is none."""
    text = decode_entities(text).replace("\xa0", " ").strip()
    mixed = _MIXED.fullmatch(text)
    if mixed is not None:
        whole = f"{mixed[2]} " if mixed[2] else ""
        return f"{mixed[1]}{whole}{mixed[3]}/{mixed[4]}"
    if _NUMBER.fullmatch(text) is None:
        return None
    power = _POWER_OF_TEN.fullmatch(text)
    if power is not None:
        return f"{local_number(power[1], language)}{_times_ten(power[2])}"
    return local_number(text, language)


def _times_ten(exponent: str) -> str:
    return f"×10<sup>{exponent}</sup>"


def _is_plain(arguments: Arguments, known: tuple[str, ...] = ()) -> bool:
    """Whether no named argument is there but these and those that change looks alone."""
    return all(name in _LOOKS or name in known or not value for name, value in arguments.named.items())


def _unit(code: str) -> str | None:
    """A unit's code of conversions as it is printed; None where it is no name of one."""
    engineered = _ENGINEERED.fullmatch(code)
    if engineered is not None:
        name = _unit(engineered[2]) if _ENGINEERED.fullmatch(engineered[2]) is None else None
        if name is None:
            return None
        factor = _ENGINEERING.get(engineered[1])
        return f"{factor} {name}" if factor else f"{_times_ten(engineered[1])} {name}"
    if code.lower() in _UNITS:
        return _UNITS[code.lower()]
    return _UNIT_POWER.sub(r"<sup>\1</sup>", code) if code and not code[0].isdigit() else None


def _named_unit(name: str) -> str:
    """A unit as it is written in a template, its powers raised."""
    return _NAME_POWER.sub(lambda power: f"<sup>{power[1] or power[2]}</sup>", name)


def convert(arguments: Arguments, language: str | None) -> str | None:
    """`5 km` of `5|km|mi`, `5 to 7 km` of `5|to|7|km`, `6 ft 2 in` of `6|ft|2|in|m`."""
    words = [decode_entities(word).strip() for word in arguments.positional]
    # All its names are words, and of these three alone say that the value is not printed, or another one.
    named = arguments.named
    if named.get("disp", "").lower() in ("unit", "unit2", "number") or "input" in named:
        return None
    if not all(name.replace(" ", "").replace("_", "").isalnum() for name in named):
        return None
    first = _number(words[0], language) if words else None
    if first is None:
        return None
    text, place = first, 1
    while place + 1 < len(words) and words[place].lower() in _RANGES:
        value = _number(words[place + 1], language)
        if value is None:
            return None
        text += _RANGES[words[place].lower()] + value
        place += 2
    if place == len(words):
        return None
    unit = _unit(words[place])
    if unit is None or words[place].lower() in _RANGES:
        return None
    text += f" {unit}" if not unit.startswith("×") else unit
    if place + 2 < len(words):
        second = _number(words[place + 1], language)
        if second is not None and _unit(words[place + 2]) is not None:
            # A second number with a unit is a part of the value (6 ft 2 in), whatever the units are.
            if f"{words[place]},{words[place + 2]}" not in _COMPOSITES:
                return None
            text += f" {second} {_unit(words[place + 2])}"
    return text


def val(arguments: Arguments, language: str | None) -> str | None:
    """`(5±0.2)×10^3 m` of `5|0.2|e=3|u=m`: a number, its uncertainty, a power of ten, a unit."""
    known = ("e", "u", "ul", "up", "upl", "p", "s", "end", "pre", "suf", "uf", "+errend", "-errend", "errend")
    if not _is_plain(arguments, known) or any(name.endswith("errend") for name in arguments.named):
        return None
    words = [word.strip() for word in arguments.positional]
    first, bracket, digits = (words[0] if words else "").partition("(")
    value = _number(first, language)
    if value is None or (bracket and re.fullmatch(r"\d+\)", digits) is None):
        return None
    text = value + bracket + digits
    is_wide = False
    rest = [decode_entities(word) for word in words[1:]]
    while rest and not rest[-1]:
        rest.pop()
    if len(rest) % 2 == 0 and rest and all(word.lower() in {*_RANGES, "+-"} for word in rest[::2]):
        for word, other in zip(rest[::2], rest[1::2], strict=True):
            value = _number(other, language)
            if value is None:
                return None
            text += {"+-": " ± ", "x": "×", "to": " to "}.get(word.lower(), _RANGES.get(word.lower(), "")) + value
        is_wide = True
    elif len(rest) == 1 and re.fullmatch(r"\([\d.]+\)", rest[0]):
        text += rest[0]
    elif len(rest) in (1, 2):
        parts = [_number(word.lstrip("+-−±"), language) for word in rest]
        if None in parts:
            return None
        text += f" ± {parts[0]}" if len(parts) == 1 else f" (+{parts[0]} −{parts[1]})"
        is_wide = True
    elif rest:
        return None
    named = {name: decode_entities(value) for name, value in arguments.named.items() if value}
    exponent = named.get("e")
    unit = _named_unit(named.get("u") or named.get("ul") or "")
    per = _named_unit(named.get("up") or named.get("upl") or "")
    if exponent is not None:
        if _EXPONENT.fullmatch(exponent) is None:
            return None
        text = f"({text})" if is_wide else text
        text += _times_ten(exponent)
    elif is_wide and unit and "±" in text:
        text = f"({text})"
    text = named.get("p", named.get("pre", "")) + text + named.get("s", named.get("suf", ""))
    if unit:
        text += unit if unit[0] in "°%‰′″'\"" and not unit.startswith(("°C", "°F")) else f" {unit}"
    if per:
        text += f"/{per}"
    return text + named.get("end", "")


def unit(arguments: Arguments, language: str | None) -> str | None:
    """`5 m^2` of `5|m|2`, `3 J·K^-1` of `3|J||K|-1`, `8 à 9 km` of `8|à=9|km`: a number, then units and exponents."""
    words = [decode_entities(word).replace("\xa0", " ").strip() for word in arguments.positional]
    named = {name: decode_entities(value).strip() for name, value in arguments.named.items() if value}
    joined = {"à": " à ", "et": " et ", "ou": " ou ", "x": " × ", "×": " × ", "a": " a ", "y": " y ", "o": " o "}
    uncertain = {"±": " ± ", "+-": " ± ", "pm": " ± ", "incertitude": " ± "}
    if not words or not _is_plain(arguments, ("e", *joined, *uncertain)):
        return None
    number, space, rest = words[0].partition(" ")
    value = _number(number, language)
    while value is not None and space and rest[:1].isdigit():  # thousands that are parted by spaces
        more, space, rest = rest.partition(" ")
        value = f"{value} {local_number(more, language)}"
    if value is None or value[-1:] in ".,":
        return None
    text = value
    parting = {**joined, "-": "–", "–": "–"}
    while len(words) > 2 and words[1].lower() in parting and (other := _number(words[2], language)) is not None:
        text += parting[words[1].lower()] + other
        del words[1:3]
    if any(word and re.fullmatch(r"[\W_]*", word) and word not in "%‰°′″'\"€$£¥" for word in words[1:]):
        return None
    for name, joint in (joined | uncertain).items():
        if name in named:
            other = _number(named[name], language)
            if other is None:
                return None
            text += joint + other
    if "e" in named:
        if _EXPONENT.fullmatch(named["e"]) is None:
            return None
        text += _times_ten(named["e"])
    if rest:
        text += f" {_named_unit(rest)}"
    units: list[str] = []
    for place, word in enumerate(words[1:]):
        if _EXPONENT.fullmatch(word) is not None:
            if not units or place == 0:
                return None
            units[-1] += f"<sup>{word}</sup>"
        elif word:
            units.append(_named_unit(word))
    if len(units) > 5:
        return None
    printed = ""
    for name in units:
        printed += name if not printed or name[0] == "/" or printed[-1] == "/" else f"·{name}"
    return f"{text} {printed}" if printed else text


def prefixed_unit(arguments: Arguments, language: str | None) -> str | None:
    """`12 kB` of `12|k|B`, `700 °C` of `700|-|°C`: a number, the prefix of a unit, the unit, as Italians give them."""
    words = [word.strip() for word in arguments.positional]
    named = arguments.named
    if language not in (None, "it"):  # elsewhere the name means something else
        return None
    if not _is_plain(arguments, ("e", "u", "ul", "um")) or not words or len(words) not in (1, 3):
        return None
    value = _number(words[0], language)
    if value is None:
        return None
    name = named.get("u") or named.get("ul") or named.get("um") or ""
    if len(words) == 3:
        if name or not words[2]:
            return None
        name = ("" if words[1] in ("-", "") else words[1]) + words[2]
    if exponent := named.get("e"):
        if _EXPONENT.fullmatch(exponent) is None:
            return None
        value += _times_ten(exponent)
    return f"{value} {name}".strip()


def plain_unit(arguments: Arguments, language: str | None) -> str | None:
    """A number, or a number and its unit, and nothing else."""
    words = [word.strip() for word in arguments.positional]
    value = _number(words[0], language) if words and _is_plain(arguments) else None
    if value is None or len(words) > 2 or (len(words) == 2 and words[1][:1].isdigit()):
        return None
    return " ".join([value, *words[1:]]).strip()


def number(arguments: Arguments, language: str | None) -> str | None:
    """A number that is sorted by its value: `{{nts|1234}}`."""
    if not _is_plain(arguments, ("prefix", "suffix", "format")) or len(arguments.positional) != 1:
        return None
    value = _number(arguments.positional[0], language)
    if value is None:
        return None
    shown = value if arguments.named.get("format") == "no" else format_number(arguments.positional[0], language)
    shown = value if "<" in value or "/" in value else shown
    return f"{arguments.named.get('prefix', '')}{shown}{arguments.named.get('suffix', '')}"


def fraction(arguments: Arguments, language: str | None) -> str | None:
    """`1/2` of `2` and of `1|2`, `1 3/4` of `1|3|4`."""
    words = [word.strip() for word in arguments.positional]
    if not _is_plain(arguments) or not 1 <= len(words) <= 3 or not all(words):
        return None
    *whole, below = words
    above = whole.pop() if whole else "1"

    def part(text: str) -> str:
        return text if re.fullmatch(r"[\w.'’]+|<[^<>]*>[\w]*</[^<>]*>", text) else f"({text})"

    sign = above[0] if above[0] in "-−+" else ""
    text = f"{sign}{part(above[len(sign) :] or '1')}/{part(below)}"
    return f"{whole[0]} {text}" if whole else text


def mixed_or_gap(arguments: Arguments, language: str | None) -> str | None:
    """A fraction of two parts; of three it is not known which is which."""
    return fraction(arguments, language) if len(arguments.positional) == 2 else None


def power_of_ten(arguments: Arguments, language: str | None) -> str | None:
    """`×10^5` of `5`."""
    words = arguments.positional
    if language == "fr":  # there it is the end of an ordinal
        return None
    if len(words) != 1 or not _is_plain(arguments) or _EXPONENT.fullmatch(decode_entities(words[0])) is None:
        return None
    return _times_ten(words[0])


def bare_power_of_ten(arguments: Arguments, language: str | None) -> str | None:
    """`10^5` of `5`."""
    text = power_of_ten(arguments, language)
    return text.removeprefix("×") if text else None


def plus_minus(arguments: Arguments, language: str | None) -> str | None:
    """`± 0.2` of `0.2`, `+0.3 −0.2` of `0.3|0.2`."""
    values = [_number(word.strip().lstrip("+-−"), language) for word in arguments.positional]
    if None in values or not 1 <= len(values) <= 2 or not _is_plain(arguments):
        return None
    return f" ± {values[0]}" if len(values) == 1 else f" (+{values[0]} −{values[1]})"


def circa(arguments: Arguments, language: str | None) -> str | None:
    """`c. 1850` of `1850`, `c. 1850 – c. 1860` of `1850|1860`."""
    words = [word for word in arguments.positional if word]
    if not 1 <= len(words) <= 2 or not _is_plain(arguments):
        return None
    return " – ".join(f"c. {word}" for word in words)


def root(arguments: Arguments, language: str | None) -> str | None:
    """`√3` of `3`, `√(x+1)` of `x+1`, `∛x` of `x|3`."""
    words = [word.strip() for word in arguments.positional]
    sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(words[1] if len(words) == 2 else "")
    if sign is None or not 1 <= len(words) <= 2 or not words[0] or not _is_plain(arguments):
        return None
    return sign + (words[0] if re.fullmatch(r"[\w.]+|''\w''", words[0]) else f"({words[0]})")


def formula(arguments: Arguments, language: str | None) -> str | None:
    """A formula of wikitext, of which every part is known."""
    return arguments.positional[0] or None if arguments.positional else None


def chemical(arguments: Arguments, language: str | None) -> str | None:
    """`H_2O` of `H|2|O`: elements and their numbers; the last number has the charge."""
    text = ""
    for place, word in enumerate(decode_entities(word).strip() for word in arguments.positional):
        if re.fullmatch(r"\d*[+\-−]", word):
            text += f"<sup>{word}</sup>"
        elif re.fullmatch(r"\d+(?:[.,–-]\d+)?|''?[a-z]''?", word):
            if place == 0:
                return None  # the mass of an isotope
            text += f"<sub>{word}</sub>"
        else:
            text += word
    return text or None


def chemical_formula(arguments: Arguments, language: str | None) -> str | None:
    """`H_2SO_4` of `H2SO4`; charges are in brackets, `SO4(2-)`."""
    if len(arguments.positional) != 1:
        return None
    text = re.sub(r"\((\d*[+\-−])\)", r"<sup>\1</sup>", arguments.positional[0])
    return re.sub(r"(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)", r"<sub>\1</sub>", text)
