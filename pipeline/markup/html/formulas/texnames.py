"""What TeX calls the characters of formulas: commands of signs and letters, functions, fonts, accents."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_NAMES = """
α alpha β beta γ gamma δ delta ϵ epsilon ε varepsilon ζ zeta η eta θ theta ϑ vartheta ι iota κ kappa λ lambda μ mu µ mu
ν nu ξ xi π pi ϖ varpi ρ rho ϱ varrho σ sigma ς varsigma τ tau υ upsilon ϕ phi φ varphi χ chi ψ psi ω omega Γ Gamma
Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega Ω Omega ∆ Delta
∑ sum ∏ prod ∐ coprod ∫ int ∬ iint ∭ iiint ∮ oint ∯ oiint ⋃ bigcup ⋂ bigcap ⋁ bigvee ⋀ bigwedge ⨁ bigoplus
⨂ bigotimes ⨀ bigodot ⨄ biguplus ⨆ bigsqcup
± pm ∓ mp × times ÷ div ⋅ cdot · cdot ∘ circ ∙ bullet • bullet ⋆ star ⊕ oplus ⊖ ominus ⊗ otimes ⊘ oslash ⊙ odot
† dagger ‡ ddagger ⨿ amalg ∪ cup ∩ cap ⊎ uplus ⊔ sqcup ⊓ sqcap ∧ wedge ∨ vee ∖ setminus ≀ wr ⋄ diamond ◇ diamond
≤ le ≥ ge ⩽ leqslant ⩾ geqslant ≦ leqq ≧ geqq ≪ ll ≫ gg ≠ ne ≡ equiv ≈ approx ∼ sim ≃ simeq ≅ cong ∝ propto ≍ asymp
≐ doteq ≜ triangleq ≔ coloneqq ≺ prec ≻ succ ⪯ preceq ⪰ succeq ⊂ subset ⊃ supset ⊆ subseteq ⊇ supseteq ⊊ subsetneq
⊋ supsetneq ⊏ sqsubset ⊐ sqsupset ⊑ sqsubseteq ⊒ sqsupseteq ∈ in ∋ ni ∉ notin ⊢ vdash ⊣ dashv ⊨ models ⊧ models
⊥ perp ∥ parallel ∦ nparallel ∣ mid ∤ nmid ⋈ bowtie ⌣ smile ⌢ frown ≲ lesssim ≳ gtrsim ≶ lessgtr ≮ nless ≯ ngtr
≰ nleq ≱ ngeq ≁ nsim ≇ ncong ⊄ nsubset ⊈ nsubseteq
← leftarrow → to ↔ leftrightarrow ⇐ Leftarrow ⇒ Rightarrow ⇔ Leftrightarrow ↑ uparrow ↓ downarrow ↕ updownarrow
⇑ Uparrow ⇓ Downarrow ↦ mapsto ↩ hookleftarrow ↪ hookrightarrow ⟵ longleftarrow ⟶ longrightarrow
⟷ longleftrightarrow ⟸ Longleftarrow ⟹ Longrightarrow ⟺ iff ⟼ longmapsto ↗ nearrow ↘ searrow ↙ swarrow ↖ nwarrow
⇀ rightharpoonup ⇁ rightharpoondown ↼ leftharpoonup ↽ leftharpoondown ⇌ rightleftharpoons ⇋ leftrightharpoons
↛ nrightarrow ⇏ nRightarrow ↠ twoheadrightarrow ⇝ rightsquigarrow ⇄ rightleftarrows
∀ forall ∃ exists ∄ nexists ¬ neg ⊤ top ∅ emptyset ⌀ varnothing ∞ infty ∂ partial ∇ nabla ℓ ell ℏ hbar ℘ wp ℜ Re
ℑ Im ℵ aleph ℶ beth ı imath ȷ jmath √ surd ∠ angle ∡ measuredangle △ triangle ▽ triangledown ∴ therefore ∵ because
□ square ■ blacksquare ♠ spadesuit ♡ heartsuit ♢ diamondsuit ♣ clubsuit ♭ flat ♮ natural ♯ sharp ° circ
… ldots ⋯ cdots ⋮ vdots ⋱ ddots ⟨ langle ⟩ rangle 〈 langle 〉 rangle ⌊ lfloor ⌋ rfloor ⌈ lceil ⌉ rceil ‖ | ∖ setminus
⟦ llbracket ⟧ rrbracket ⊲ triangleleft ⊳ triangleright ⊴ trianglelefteq ⊵ trianglerighteq § S ℧ mho ∁ complement
{ { } } % % # # $ $ & & _ _ \\ backslash
"""
_WORDS = _NAMES.split()
_COMMANDS = {sign: f"\\{name}" for sign, name in zip(_WORDS[::2], _WORDS[1::2], strict=True)}
_COMMANDS |= {
    "−": "-", "∗": "*", "⁎": "*", "‐": "-", "‑": "-", "–": "-", "⁄": "/", "∕": "/", "∶": ":", "′": "'", "″": "''",
    "‴": "'''", "⁗": "''''", "’": "'", "`": "'", "°": "^\\circ", "\xa0": "\\ ", "\u2003": "\\quad", "~": "\\sim",
    "\ue020": "\\not", "ˆ": "\\hat{}", "¯": "\\bar{}", "⁡": "", "⩵": "==", "≝": "\\overset{\\mathrm{def}}{=}",
    "∃": "\\exists", "￢": "\\neg", "\u0338": "\\not", "ϒ": "\\Upsilon", "ⅆ": "d", "ⅇ": "e", "ⅈ": "i",
}  # fmt: skip
_FUNCTIONS = """
arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln log max min
Pr sec sin sinh sup tan tanh
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
_ACCENTS = """
^ˆ\u0302 hat widehat  ~˜∼\u0303 tilde widetilde  ¯‾ˉ―_−–\u0304\u0305 bar overline  →⟶⇀\u20d7 vec overrightarrow
← overleftarrow overleftarrow  ↔ overleftrightarrow overleftrightarrow  ˙.⋅\u0307 dot dot  ¨\u0308 ddot ddot
\u20db dddot dddot  ˇ\u030c check check  ˘\u0306 breve breve  ´ˊ\u0301 acute acute  `ˋ\u0300 grave grave
˚\u030a mathring mathring  ⏞︷ overbrace overbrace  ⎴ overbracket overbracket  ⏜ overparen overparen
"""
_WORDS = _ACCENTS.split()
# Signs over what they mark, with the commands of a narrow and a wide one.
ACCENTS = {
    sign: (narrow, wide)
    for signs, narrow, wide in zip(_WORDS[::3], _WORDS[1::3], _WORDS[2::3], strict=True)
    for sign in signs
}
UNDER_ACCENTS = {
    **dict.fromkeys("_–-\u0332¯‾―−", "underline"),
    "⏟": "underbrace", "︸": "underbrace", "⎵": "underbracket", "⏝": "underparen", "→": "underrightarrow",
    "←": "underleftarrow", "~": "utilde", "˜": "utilde",
}  # fmt: skip
EXTENDED_ARROWS = {
    "→": "xrightarrow", "⟶": "xrightarrow", "←": "xleftarrow", "⟵": "xleftarrow", "↔": "xleftrightarrow",
    "⇒": "xRightarrow", "⟹": "xRightarrow", "⇐": "xLeftarrow", "⇌": "xrightleftharpoons", "↦": "xmapsto",
}  # fmt: skip
FONTS = {
    "bold": "mathbf", "double-struck": "mathbb", "script": "mathcal", "bold-script": "mathcal", "fraktur": "mathfrak",
    "bold-fraktur": "mathfrak", "sans-serif": "mathsf", "bold-sans-serif": "mathsf", "sans-serif-italic": "mathsf",
    "monospace": "mathtt", "bold-italic": "boldsymbol", "normal": "mathrm", "-tex-calligraphic": "mathcal",
    "-tex-bold-calligraphic": "mathcal", "-tex-mathit": "mathit", "sans-serif-bold-italic": "mathsf",
}  # fmt: skip
# The names of Unicode's letters of formulas, https://www.unicode.org/reports/tr25/.
_STYLED = re.compile(
    r"(?:MATHEMATICAL )?(BOLD ITALIC|BOLD SCRIPT|BOLD FRAKTUR|SANS-SERIF(?: BOLD)?(?: ITALIC)?|BOLD|ITALIC|SCRIPT"
    r"|BLACK-LETTER|FRAKTUR|DOUBLE-STRUCK|MONOSPACE) "
    r"(?:CAPITAL|SMALL|DIGIT|DOTLESS|\w+ (?:SYMBOL|DIFF)|NABLA|ITALIC|N-)"
)
_INVISIBLE = frozenset("\u2061\u2062\u2063\u2064\u200b\u200c\u200d\u2060\ufeff\u00ad")
_NO_BRACES = str.maketrans("", "", "{}")
_SPECIAL = str.maketrans(
    {**{sign: f"\\{sign}" for sign in "{}$&#%_"}, "\\": "\\textbackslash{}", "^": "\\^{}", "~": "\\~{}"}
)
_ENDS_IN_COMMAND = re.compile(r"\\[a-zA-Z]+\Z")
_LONGEST_COMMAND = 24
_ENDS_IN_SCRIPT = re.compile(r"[_^]\w\Z")
_RUNS = re.compile(r"\\(mathrm|text)\{[^{}\\]*\}(?:\\\1\{[^{}\\]*\})+")


def _plain(character: str) -> str:
    """A letter of formulas without its font."""
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    return chr(int(code, 16)) if kind == "<font>" and " " not in code else character


@cache
def of_character(character: str) -> str:
    """TeX of one character of a formula; "" for one that has no shape."""
    if character in _INVISIBLE:
        return ""
    if (command := _COMMANDS.get(character)) is not None:
        return command
    if character < "\x7f":
        return character
    name = unicodedata.name(character, "")
    if (styled := _STYLED.match(name)) is not None:
        plain = _plain(character)
        font = styled[1].lower().replace(" ", "-").replace("black-letter", "fraktur")
        return plain_in(font, of_character(plain)) if plain != character else character
    if name == "PLANCK CONSTANT":
        return "h"
    if (
        unicodedata.category(character) in ("Lo", "Lm")
        and character > "\u0530"
        and not 0x2100 <= ord(character) < 0x2150
    ):
        return f"\\text{{{character}}}"
    return character


def plain_in(font: str, tex: str) -> str:
    """TeX in a font by its name in MathML; Greek and signs are bold or plain, as TeX has them."""
    command = FONTS.get(font)
    if command is None or not tex:
        return tex
    if tex.startswith("\\"):
        return f"\\boldsymbol{{{tex}}}" if command in ("mathbf", "boldsymbol") else tex
    return f"\\{command}{{{tex}}}"


def joined(parts: list[str]) -> str:
    """Pieces of TeX beside each other, with a space where a command or script would run into what follows."""
    line = ""
    for part in parts:
        if part:
            end = line[-_LONGEST_COMMAND:]
            is_meeting = (part[0].isalpha() and _ENDS_IN_COMMAND.search(end) is not None) or (
                part[0].isalnum() and _ENDS_IN_SCRIPT.search(end) is not None
            )
            line += f" {part}" if is_meeting else part
    return _RUNS.sub(_merged, line) if "}\\mathrm{" in line or "}\\text{" in line else line


def _merged(run: re.Match[str]) -> str:
    """Letters beside each other in one font as one: `\\mathrm{mod}`."""
    return f"\\{run[1]}{{{run[0].replace(chr(92) + run[1], '').translate(_NO_BRACES)}}}"


def of_text(text: str) -> str:
    """The characters of a formula as TeX."""
    return joined([of_character(character) for character in text]).replace("\\not=", "\\ne")


def words(text: str) -> str:
    """Words inside a formula: `\\text{if }`."""
    return f"\\text{{{''.join(map(_plain, text)).translate(_SPECIAL)}}}"
