"""Class names of elements that hold formulas, as programs that write or show formulas give them."""

from __future__ import annotations

# Elements that hold one formula, with all its copies.
WRAPPERS = frozenset(
    {"katex", "katex-display", "katex-html", "katex--inline", "katex--display", "mwe-math-element", "ltx_Math"}
    | {"ztext-math", "ql-center-displayed-equation", "Wirisformula", "mjx-container"}
)
# Those that MathJax 2 sets beside the script that a formula came from.
MATHJAX = frozenset(
    {"MathJax_Preview", "MathJax", "MathJax_Display", "MathJax_SVG", "MathJax_SVG_Display", "MathJax_CHTML"}
    | {"MathJax_MathML", "mjx-chtml", "MJXc-display", "MathJax_PlainSource", "MathJax_PHTML"}
)
# Elements whose text is TeX only where it has a sign of TeX: `\\`, `^` or `_`.
VAGUE = frozenset({"latex", "latex-formula", "tex-formula", "equation", "formula", "mathjax", "tex2jax_process"})
# These, and others that hold the TeX of a formula as their text, with or without delimiters.
WORDED = VAGUE | frozenset(
    {"math", "math-container", "math-tex", "math-inline", "math-display", "math-block", "inline-math", "display-math"}
    | {"mathjax-tex", "mathjax-latex", "mathjax-inline", "mathjax-block", "mathjax-env", "arithmatex"}
    | {"kdmath", "wp-katex-eq", "katex-eq", "katex-inline", "katex-block", "js-render-math", "jsmath", "asciimath"}
    | {"filter_mathjaxloader_equation"}
)
# Those of them whose text is AsciiMath.
ASCIIMATH = frozenset({"asciimath"})
# Tables of LaTeXML: a row an equation, its parts and its number in cells.
EQUATIONS = frozenset({"ltx_equation", "ltx_equationgroup"})
ALL = WRAPPERS | MATHJAX | WORDED | EQUATIONS
