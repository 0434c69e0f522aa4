"""Finds the comments under an article, and the author lines of posts: names and dates.

Comments stand in elements whose class words say so (`class_groups.json`). Not all that stands there is one: reply
forms, invitations to log in, menus of sorting, buttons and counts do too. What is left has text of its own: paragraphs,
code, what is prose, or a slot of repeated records (`records.py`) in which the texts differ. The author lines of posts
are short, stand in small elements whose class words say so (author, user, date), or in `<time>` or `<address>`; names
and dates are such lines only among records that have an author.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry
from pipeline.markup.html import layout as L
from pipeline.markup.html.layout import Scanned
from pipeline.markup.html.records import I_GROUP, I_RECORD, MIN_RECORDS, NAMES
from pipeline.markup.html.tables import TAG
from pipeline.markup.html_options import Options

# Bits of `class_groups.json`: who wrote it; what is clicked; the text; what is said beside an author (a name, a date),
# which means as much only where there is one; and a text whatever else the same class says ("user-content").
AUTHORS, CONTROLS, BODIES, SAID, TEXTS = 8, 16, 32, 64, 128
_WHOLE = (TAG["li"], TAG["article"])  # each may be one comment, whose class words tell who wrote it
_MAX_AUTHOR, _MAX_CONTROL = 120, 250  # letters of an element that those words may speak of: larger ones hold the text
_NO_TEXT = L.HIDDEN | L.ARIA_HIDDEN | L.IN_FORM | L.IN_BUTTON | L.IN_NAV
_SAYS_ACCOUNT, _SAYS_COMMENTS, _SAYS_SHARE = 1 << 4, 1 << 5, 1 << 6  # of `text_words.json`
_PROMPT = 120  # letters: what is shorter and speaks of an account or of commenting, or is mostly a link, is a control
_LEAST_SLOT = 12  # letters: the least mean length of a slot of texts
_LEAST_PROSE = 0.2  # of a group's text: it is of posts rather than of links
_REACH = 6  # blocks between an author line and the text it is of
_SLOT_RECORDS, _SLOT_LENGTH, _SLOT_SAME, _SLOT_DENSITY, _COUNT, _PROSE = (
    NAMES.index(name) for name in ("slot_records", "slot_length", "slot_same", "slot_density", "rec_count", "rec_prose")
)


@entry
def _of_small(parents: np.ndarray, own: np.ndarray, sizes: np.ndarray, most_author: int, most_control: int) -> None:
    """Set `own` to the bits of AUTHORS, SAID and CONTROLS of each element and of what it stands in, but of small ones
    only; the first two end where an element of TEXTS begins.

    sizes: letters directly in each element; made those of all in it.
    """
    for n in range(parents.size - 1, 0, -1):
        sizes[parents[n]] += sizes[n]
    for n in range(parents.size):
        bits = own[parents[n]] if n else 0
        if own[n] & TEXTS:
            bits &= ~(AUTHORS | SAID)
        elif sizes[n] <= most_author:
            bits |= own[n] & (AUTHORS | SAID)
        if sizes[n] <= most_control:
            bits |= own[n] & CONTROLS
        own[n] = bits


def _bits(scanned: Scanned, word_groups: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The groups of class words of each block, as bits. AUTHORS, SAID and CONTROLS are taken from small elements around
    the block, but not from records themselves (a comment by the author); BODIES from its element and the next around.
    """
    blocks, nodes, words = scanned.blocks, scanned.nodes, scanned.words
    own = np.zeros(len(nodes), np.int32)
    np.bitwise_or.at(own, words[:, 0], word_groups[words[:, 1]] & (AUTHORS | CONTROLS | BODIES | SAID | TEXTS))
    places = blocks[:, L.B_NODE]
    bodies = (own[places] | own[nodes[places, L.N_PARENT]]) & BODIES
    own[np.isin(nodes[:, L.N_TAG], _WHOLE)] &= CONTROLS | TEXTS
    own[ids[ids[:, I_RECORD] >= 0, I_RECORD]] &= CONTROLS | TEXTS
    sizes = np.bincount(blocks[:, L.B_NODE], blocks[:, L.B_CHARS] + 1.5 * blocks[:, L.B_CJK], len(nodes))
    _of_small(np.ascontiguousarray(nodes[:, L.N_PARENT]), own, sizes, _MAX_AUTHOR, _MAX_CONTROL)
    bits: np.ndarray = own[blocks[:, L.B_INNER]] | bodies
    return bits


def _author_lines(scanned: Scanned, bits: np.ndarray) -> np.ndarray:
    """Whether each block is an author line: the name of a post's author, or its date. `bits`: those of `_bits`."""
    blocks, nodes = scanned.blocks, scanned.nodes
    flags = nodes[blocks[:, L.B_INNER], L.N_FLAGS]
    says = (bits & (AUTHORS | SAID) != 0) | (flags & (L.IN_TIME | L.IN_ADDRESS) != 0)
    found: np.ndarray = says & (blocks[:, L.B_CHARS] <= _MAX_AUTHOR) & (bits & CONTROLS == 0) & (flags & _NO_TEXT == 0)
    return found


def with_options(
    scanned: Scanned, kept: np.ndarray, region: np.ndarray, under_article: bool, word_groups: np.ndarray,
    ids: np.ndarray, table: np.ndarray, options: Options,
) -> np.ndarray:  # fmt: skip
    """The kept blocks, then comments under the article where the options want them, and author lines of posts added or
    left out. region: of each block whether it stands in an element of comments; under_article: whether those are it;
    ids and table: those of `records`.
    """
    bits = _bits(scanned, word_groups, ids)
    by_author = _author_lines(scanned, bits)
    if options.authors == "drop":
        # Products have names, and events dates, but no author.
        has_author = np.isin(ids[:, I_GROUP], ids[by_author & (bits & AUTHORS != 0), I_GROUP])
        in_post = region | ((ids[:, I_GROUP] >= 0) & (table[:, _PROSE] >= _LEAST_PROSE) & has_author)
        kept = kept[~(by_author & in_post)[kept]]
    elif options.authors == "keep":
        kept = np.union1d(kept, _name_and_date(scanned, kept, by_author, ids, table))
    if options.comments == "keep" and under_article:
        found = _comments(scanned, region, bits, by_author, ids, table, options.authors != "drop")
        kept = np.concatenate([kept, np.setdiff1d(found, kept)])
    return kept


def _name_and_date(
    scanned: Scanned, kept: np.ndarray, by_author: np.ndarray, ids: np.ndarray, table: np.ndarray
) -> np.ndarray:
    """Numbers of the blocks that say who wrote each post of which something is kept, and when: in each the first author
    line with letters, and the first in `<time>`. What else an author's box says (rank, number of posts) is neither.
    """
    flags = scanned.nodes[scanned.blocks[:, L.B_INNER], L.N_FLAGS]
    posts = (ids[:, I_GROUP] >= 0) & (table[:, _COUNT] >= MIN_RECORDS) & (table[:, _PROSE] >= _LEAST_PROSE)
    text = np.zeros(len(posts), np.bool_)
    text[kept] = ~by_author[kept]
    posts &= by_author & np.isin(ids[:, I_RECORD], ids[text & posts, I_RECORD])
    in_time = flags & L.IN_TIME != 0
    found = []
    for lines in (posts & ~in_time & (scanned.blocks[:, L.B_LETTERS] > 0), posts & in_time):
        places = np.flatnonzero(lines)
        found.append(places[np.unique(ids[places, I_RECORD], return_index=True)[1]])
    return np.concatenate(found)


def _comments(
    scanned: Scanned, region: np.ndarray, bits: np.ndarray, by_author: np.ndarray, ids: np.ndarray, table: np.ndarray,
    authors: bool,
) -> np.ndarray:  # fmt: skip
    """Numbers of the blocks that are comments, with their author lines if wanted. ids and table: see `records`."""
    blocks, nodes = scanned.blocks, scanned.nodes
    flags = nodes[blocks[:, L.B_INNER], L.N_FLAGS]
    length = blocks[:, L.B_CHARS] + 1.5 * blocks[:, L.B_CJK]
    density = blocks[:, L.B_LINK_CHARS] / np.maximum(1, blocks[:, L.B_CHARS])
    says = blocks[:, L.B_TEXT_WORDS]
    linked = blocks[:, L.B_LINK_CHARS] > 0
    prompt = (length < _PROMPT) & (
        ((says & (_SAYS_ACCOUNT | _SAYS_COMMENTS | _SAYS_SHARE) != 0) & linked) | (density > 0.8)
    )
    prompt |= (length < _PROMPT) & (says & _SAYS_COMMENTS != 0) & (ids[:, I_GROUP] < 0)  # "Comments are closed."
    usable = region & (flags & _NO_TEXT == 0) & (bits & CONTROLS == 0) & ~prompt & ~by_author
    is_prose = ((blocks[:, L.B_COMMAS] + blocks[:, L.B_ENDS] > 0) & (length >= 25)) | (length >= 120)
    in_record = ids[:, I_GROUP] >= 0
    heading = (flags & L.IN_HEADING != 0) & ~in_record
    slot = in_record & (table[:, _COUNT] >= 2) & (table[:, _SLOT_SAME] < 0.4) & (table[:, _SLOT_LENGTH] >= _LEAST_SLOT)
    slot &= (table[:, _SLOT_RECORDS] >= 0.5) & (table[:, _SLOT_DENSITY] < 0.5)
    in_text = flags & (L.IN_P | L.IN_PRE | L.IN_QUOTE) != 0
    text = usable & ~heading & (is_prose | in_text | (bits & BODIES != 0) | slot)
    if authors:
        text |= _before(np.flatnonzero(region & by_author), np.flatnonzero(text), ids[:, I_RECORD], len(blocks))
    return np.flatnonzero(text)


def _before(lines: np.ndarray, texts: np.ndarray, records: np.ndarray, count: int) -> np.ndarray:
    """The author lines at most _REACH blocks before a text. Where the text is in a record, the line must be, too."""
    found = np.zeros(count, np.bool_)
    if len(lines) and len(texts):
        following = texts[np.minimum(np.searchsorted(texts, lines), len(texts) - 1)]
        near = (following > lines) & (following - lines <= _REACH)
        found[lines[near & (records[lines] == records[following])]] = True
    return found
