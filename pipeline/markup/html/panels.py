"""Kernels of the scanner for what is hidden until somebody clicks: panels of tabs and accordions, slides, "read more".

Their text is part of the page; that of menus, dialogs, notices of cookies and templates, which are hidden likewise, is
not. What an element is, it says in its tag and in those of the elements around it: by its role, class and id, in the
words of the usual style sheets and scripts. Where these say nothing, it is one if what stands before it opens it
(`aria-controls`, or an address or `data-target` with its id).
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import IN_BUTTON, IN_DIALOG, IN_FOOTER, IN_HEADER, IN_NAV, IN_SKIP
from pipeline.markup.html.lexing import words_say
from pipeline.markup.html.tables import TAG, hashed

_OPENS, _IS_APART, _IS_MARK = 1, 2, 4
_PANELS = (
    *("tab", "tabs", "tabpanel", "tabpanels", "tabpane", "tabbed", "tabset", "tabcontent", "tabgroup", "pane", "panel"),
    *("panels", "accordion", "accordian", "accordions", "acc", "collapse", "collapsed", "collapsible", "collapsable"),
    *("expand", "expanded", "expander", "expandable", "toggle", "toggleable", "togglebox", "disclosure", "reveal"),
    *("faq", "faqs", "answer", "answers", "question", "qa", "spoiler", "readmore", "more", "moretext", "less", "fold"),
    *("slide", "slider", "slides", "slideshow", "slick", "carousel", "swiper", "splide", "flickity", "glide", "owl"),
    *("labelledby", "details", "description", "transcript", "hint", "solution", "excerpt", "unfold", "foldable"),
)
# In the tag of the element or of one around it, and in its own alone.
_APART = (
    *("menu", "menus", "submenu", "megamenu", "mega", "menuitem", "nav", "navbar", "navigation", "flyout", "offcanvas"),
    *("modal", "modals", "dialog", "alertdialog", "popup", "popups", "popover", "overlay", "lightbox", "tooltip"),
    *("cookie", "cookies", "consent", "gdpr", "ccpa", "onetrust", "dropdown", "drawer", "listbox", "combobox"),
    *("search", "searchbox", "autocomplete", "suggestions", "filter", "filters", "facet", "facets", "refinement"),
    *("minicart", "basket", "login", "signin", "signup", "share", "sharing", "newsletter", "subscribe", "captcha"),
)
_MARKS = (
    *("skeleton", "loader", "loading", "spinner", "placeholder", "alert", "toast", "notification", "notifications"),
    *("error", "errors", "success", "validation", "cloned", "clone", "duplicate", "icon", "icons", "arrow", "chevron"),
    *("caret", "dots", "pagination", "bullet", "sr", "visually", "template", "tpl", "tooltiptext", "feedback", "reply"),
    *("form", "fields", "header", "footer", "cart", "checkout", "register", "password", "social", "language"),
    *("country",),
)
_WORDS = dict.fromkeys(_PANELS, _OPENS) | dict.fromkeys(_APART, _IS_APART) | dict.fromkeys(_MARKS, _IS_MARK)
_KEYS, _VALUES = hashed(_WORDS)
_MAX_BYTES = 600  # of a tag in which its id is looked for
_AROUND = 2  # elements around it that are asked, too
_MAX_BEFORE = 2000  # bytes before an element in which what opens it is looked for
_NO_PANELS = IN_NAV | IN_HEADER | IN_FOOTER | IN_BUTTON | IN_DIALOG | IN_SKIP
_BODY, _HTML = TAG["body"], TAG["html"]


@kernel
def _is_opened(data: np.ndarray, start: int) -> bool:
    """Whether something before the element whose tag stands at `start` names its id as what it opens."""
    end = min(data.size, start + _MAX_BYTES)
    first = start
    while first + 5 < end and data[first] != 62:
        if data[first] <= 32 and data[first + 1] | 32 == 105 and data[first + 2] | 32 == 100 and data[first + 3] == 61:
            break
        first += 1
    if first + 5 >= end or data[first] == 62:
        return False
    first += 4
    if data[first] == 34 or data[first] == 39:
        first += 1
    stop = first
    while stop < end and data[stop] > 32 and data[stop] not in (34, 39, 62):
        stop += 1
    size = stop - first
    if size < 2:
        return False
    for place in range(start - size - 1, max(10, start - _MAX_BEFORE), -1):
        if data[place] != data[first] or data[place + size] not in (32, 34, 39, 62):
            continue
        before = place - 1
        if data[before] != 35:  # of `aria-controls`, else `#id`
            if data[before] == 34 or data[before] == 39:
                before -= 1
            if not (data[before] == 61 and data[before - 1] | 32 == 115 and data[before - 2] | 32 == 108):
                continue
        same = True
        for offset in range(1, size):
            if data[place + offset] != data[first + offset]:
                same = False
                break
        if same:
            return True
    return False


@kernel
def opens(data: np.ndarray, start: int, is_inline: bool, stack: np.ndarray, depth: int, flags: int) -> bool:
    """Whether the hidden element whose tag stands at `start` is one that a click opens, by its tag and those around.

    flags: of the element that it stands in. An element in a line of text must say so itself.
    """
    if flags & _NO_PANELS:
        return False
    said = words_say(data, start, _KEYS, _VALUES)
    for place in range(depth, max(0, depth - _AROUND), -1):
        if said & (_IS_APART | _IS_MARK):
            return False
        if stack[place, 1] == _BODY or stack[place, 1] == _HTML:
            break
        around = words_say(data, stack[place, 6], _KEYS, _VALUES) & ~_IS_MARK
        said |= around & _IS_APART if is_inline else around
    if said & (_IS_APART | _IS_MARK):
        return False
    return bool(said & _OPENS) or _is_opened(data, start)
