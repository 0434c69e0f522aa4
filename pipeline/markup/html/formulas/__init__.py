"""Formulas of a page as TeX: from MathML, TeX in its markup, AsciiMath, and what KaTeX and MathJax drew."""
