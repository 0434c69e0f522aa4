"""The main content of an HTML page, by a scanner, features of blocks and a small trained model, all compiled.

`scan.py` turns bytes into blocks of clean text and the elements around them, `features.py` and `context.py` describe
the blocks, `model.py` scores them, `render.py` writes the kept ones. The weights are in `model.json`.
"""

from __future__ import annotations

from pipeline.markup.html.page import Page, extract_main_text, extract_page

__all__ = ["Page", "extract_main_text", "extract_page"]
