"""AsciiMath to TeX: `sum_(i=1)^n i^3=((n(n+1))/2)^2`. The syntax: http://asciimath.org/."""

from __future__ import annotations

import re

from pipeline.markup.html.formulas import texnames
from pipeline.markup.html.formulas.texnames import joined

_SIGNS = {
    "+-": "\\pm", "**": "\\ast", "xx": "\\times", "-:": "\\div", "@": "\\circ", "o+": "\\oplus", "ox": "\\otimes",
    "^^": "\\wedge", "vv": "\\vee", "nn": "\\cap", "uu": "\\cup", "!=": "\\ne", "<=": "\\le", ">=": "\\ge",
    "~=": "\\cong", "~~": "\\approx", "!in": "\\notin", "sub": "\\subset", "sup": "\\supset", "sube": "\\subseteq",
    "supe": "\\supseteq", "=>": "\\Rightarrow", "<=>": "\\Leftrightarrow", "->": "\\to", "|->": "\\mapsto",
    "del": "\\partial", "grad": "\\nabla", "O/": "\\emptyset", "AA": "\\forall", "EE": "\\exists", "...": "\\ldots",
    "NN": "\\mathbb{N}", "QQ": "\\mathbb{Q}", "RR": "\\mathbb{R}", "ZZ": "\\mathbb{Z}", "CC": "\\mathbb{C}",
    "not": "\\neg", "and": "\\text{ and }", "or": "\\text{ or }", "if": "\\text{ if }", "prop": "\\propto",
    "quad": "\\quad", "rarr": "\\to", "larr": "\\leftarrow", "harr": "\\leftrightarrow", "rArr": "\\Rightarrow",
    "ne": "\\ne", "le": "\\le", "ge": "\\ge", "lt": "<", "gt": ">", "int": "\\int", "oint": "\\oint", "sum": "\\sum",
    "prod": "\\prod", "dx": "dx", "dy": "dy", "dt": "dt", "dz": "dz", "%": "\\%", "#": "\\#", "pm": "\\pm",
    "infty": "\\infty", "nabla": "\\nabla", "partial": "\\partial", "times": "\\times", "cdot": "\\cdot", "to": "\\to",
    "in": "\\in", "cdots": "\\cdots", "mod": "\\bmod", "-=": "\\equiv", "oo": "\\infty", "*": "\\cdot",
}  # fmt: skip
_LETTERS = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau
upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
"""
_GREEK = frozenset(_LETTERS.split())
_MARKS = {
    "sqrt": "\\sqrt", "hat": "\\hat", "bar": "\\overline", "ul": "\\underline", "vec": "\\vec", "dot": "\\dot",
    "ddot": "\\ddot", "tilde": "\\tilde", "bb": "\\mathbf", "bbb": "\\mathbb", "cc": "\\mathcal", "tt": "\\mathtt",
    "fr": "\\mathfrak", "sf": "\\mathsf", "cancel": "\\cancel",
}  # fmt: skip
_PAIRS = {"frac": "\\frac", "root": "\\sqrt", "stackrel": "\\overset", "overset": "\\overset", "underset": "\\underset"}
_OPENING = {"(": "(", "[": "[", "{": "\\{", "(:": "\\langle", "{:": ""}
_CLOSING = {")": ")", "]": "]", "}": "\\}", ":)": "\\rangle", ":}": ""}
_AROUND = {
    "abs": ("|", "|"), "norm": ("\\|", "\\|"), "floor": ("\\lfloor ", "\\rfloor"), "ceil": ("\\lceil ", "\\rceil"),
}  # fmt: skip
_KNOWN = {*_SIGNS, *_GREEK, *_MARKS, *_PAIRS, *_OPENING, *_CLOSING, *_AROUND, *texnames.FUNCTIONS, "text"}
_WORDS = sorted(_KNOWN, key=len, reverse=True)
_TOKEN = re.compile(
    r"\s*(?:\"([^\"]*)\"|text\(([^()]*)\)|(\d+(?:\.\d+)?)|(" + "|".join(map(re.escape, _WORDS)) + r")|(\S))", re.DOTALL
)
_MAX_DEPTH = 50


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []  # TeX of what is not read any further ("" for the others), token
        for quoted, worded, number, known, other in _TOKEN.findall(text):
            words = quoted or worded
            self._tokens.append((texnames.words(words), words) if words else ("", number or known or other))
        self._at = 0
        self._depth = 0  # of brackets
        self._nested = 0  # of anything

    def _next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) and not self._tokens[self._at][0] else ""

    def row(self) -> str:
        parts: list[str] = []
        while self._at < len(self._tokens) and not (self._depth and self._next() in _CLOSING):
            part = self._scripted()
            if self._next() == "/":
                self._at += 1
                part = f"\\frac{{{_bare(part)}}}{{{_bare(self._scripted())}}}"
            parts.append(part)
        return joined(parts)

    def _scripted(self) -> str:
        tex = self._one()
        for mark in "_^":
            if self._next() == mark:
                self._at += 1
                script = _bare(self._one())
                tex += f"{mark}{script}" if len(script) == 1 else f"{mark}{{{script}}}"
        return tex

    def _one(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        ready, token = self._tokens[self._at]
        self._at += 1
        if ready or self._nested >= _MAX_DEPTH:
            return ready or texnames.of_text(token)
        self._nested += 1
        tex = self._part(token)
        self._nested -= 1
        return tex

    def _part(self, token: str) -> str:
        if token in _OPENING:
            self._depth += 1
            inside = self.row()
            self._depth -= 1
            closing = self._next()
            if closing in _CLOSING:
                self._at += 1
            return joined([_OPENING[token], inside, _CLOSING.get(closing, "")])
        if token in _AROUND:
            left, right = _AROUND[token]
            return f"{left}{_bare(self._one())}{right}"
        if token in _MARKS:
            return f"{_MARKS[token]}{{{_bare(self._one())}}}"
        if token in _PAIRS:
            first, second = _bare(self._one()), _bare(self._one())
            return f"\\sqrt[{first}]{{{second}}}" if token == "root" else f"{_PAIRS[token]}{{{first}}}{{{second}}}"
        if token in _GREEK or token in texnames.FUNCTIONS:
            return f"\\{token}"
        return _SIGNS.get(token) or texnames.of_text(token)


def _bare(tex: str) -> str:
    """A group without its own parentheses, which only hold it together."""
    if tex[:1] != "(" or tex[-1:] != ")":
        return tex
    depth = 0
    for place, character in enumerate(tex):
        depth += (character == "(") - (character == ")")
        if depth == 0 and place < len(tex) - 1:
            return tex
    return tex[1:-1]


def tex_of_asciimath(text: str) -> str:
    """A formula of AsciiMath as TeX."""
    return _Reader(text.strip().strip("`")).row()
