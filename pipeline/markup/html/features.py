"""Features of blocks: what a block is, what it stands in, what stands around it, and what the page is like.

None of them knows a site or a language: lengths count a CJK character as 2.5 letters, punctuation is that of any
script. Words of class names come in as two learned numbers each, one of all pages, one of those that are no articles;
words of short blocks as a learned number each, and as a few bits.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.documents.page_types import PAGE_TYPES
from pipeline.markup.html.layout import (
    ARIA_HIDDEN,
    B_BOLD,
    B_BREAKS,
    B_CHARS,
    B_CJK,
    B_COMMAS,
    B_DIGITS,
    B_END,
    B_ENDS,
    B_FIRST,
    B_HASH,
    B_IMAGES,
    B_INNER,
    B_LAST,
    B_LETTERS,
    B_LINKS,
    B_NODE,
    B_SIGNS,
    B_SPACES,
    B_START,
    B_TEXT_WORDS,
    B_UPPER,
    HIDDEN,
    IN_ADDRESS,
    IN_ARTICLE,
    IN_ASIDE,
    IN_BUTTON,
    IN_CAPTION,
    IN_CELL,
    IN_CODE,
    IN_DETAILS,
    IN_DIALOG,
    IN_DL,
    IN_FIGURE,
    IN_FOOTER,
    IN_FORM,
    IN_HEADER,
    IN_HEADING,
    IN_ITEM,
    IN_MAIN,
    IN_NAV,
    IN_P,
    IN_PRE,
    IN_QUOTE,
    IN_TIME,
    N_DEPTH,
    N_FLAGS,
    N_LISTS,
    N_PARENT,
    N_SHAPE,
    N_TAG,
    UNTIL_CLICKED,
)
from pipeline.markup.html.lexing import find_value
from pipeline.markup.html.records import NAMES as RECORD_NAMES
from pipeline.markup.html.records import NUM_RECORDS, set_records
from pipeline.markup.html.signals import kind_of_character, lengths, share_in_title, title_set
from pipeline.markup.html.tables import FNV_OFFSET, FNV_PRIME, TAG

FLAG_BITS = (
    *(ARIA_HIDDEN, IN_NAV, IN_HEADER, IN_FOOTER, IN_ASIDE, IN_FORM, IN_FIGURE, IN_ARTICLE, IN_MAIN, IN_ITEM, IN_CELL),
    *(IN_QUOTE, IN_HEADING, IN_P, IN_CODE, IN_BUTTON, IN_ADDRESS, IN_CAPTION, IN_DL, IN_TIME, IN_PRE),
    *(HIDDEN, IN_DETAILS, IN_DIALOG, UNTIL_CLICKED),
)
_FLAG_NAMES = (
    *("aria_hidden", "nav", "header", "footer", "aside", "form", "figure", "article", "main", "item", "cell"),
    *("quote", "heading", "p", "code", "button", "address", "caption", "dl", "time", "pre"),
    *("hidden", "details", "dialog", "until_clicked"),
)
_FLAGS = np.array(FLAG_BITS, np.int32)
NUM_TEXT_WORDS = 14
_ARTICLE, _H1, _H6 = TAG["article"], TAG["h1"], TAG["h6"]

NAMES = (
    *("length", "link_density", "links", "commas", "ends", "digits", "upper", "letters", "signs", "bold"),
    *(
        "word_length",
        "first",
        "last",
        "breaks",
        "images",
        "prose",
        "tag",
        "inner_tag",
        "lists",
        "depth",
        "same_before",
        "same_after",
    ),
    *("in_title", "class_own", "class_sum", "class_min", "class_max", "class_inner", "text_words"),
    *(f"in_{name}" for name in _FLAG_NAMES),
    *(f"{where}_{what}" for where in ("k1", "k2", "k3") for what in ("share", "density", "blocks", "prose_share")),
    *("k2_direct", "chain_share", "chain_below", "chain_left", "article_share", "k3_mean"),
    *("alike", "alike_length", "alike_density", "alike_share"),
    *(
        f"{where}_{what}"
        for where in ("p1", "n1", "p2", "n2")
        for what in ("length", "density", "ends", "tag", "class", "same_k2")
    ),
    *("window_prose", "window_density", "wide_prose", "wide_density"),
    *("index", "before", "prose_before", "prose_after", "since_prose", "until_prose", "since_heading", "since_h1"),
    *("page_length", "page_density", "page_blocks", "page_prose", "page_best", "page_p"),
    *(f"says_{number}" for number in range(NUM_TEXT_WORDS)),
    *("other_own", "other_sum", "other_min", "other_max", "other_inner", "words_sum", "words_min", "words_max"),
    *RECORD_NAMES,
    *(f"is_{name}" for name in PAGE_TYPES),
)
NUM_FEATURES = len(NAMES)
TYPES_AT = NUM_FEATURES - len(PAGE_TYPES)  # the first column of the page's types: set once all others are
RECORDS_AT = TYPES_AT - NUM_RECORDS
SHORT = 120  # bytes: of blocks at most this long, the words are looked up


@kernel
def _set_words(
    text: np.ndarray, start: int, end: int, keys: np.ndarray, values: np.ndarray, weights: np.ndarray, out: np.ndarray
) -> None:
    """Set sum, least and greatest of the learned numbers of a block's words; 0 where none is known."""
    total, least, most = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    word = FNV_OFFSET
    letters = 0
    for place in range(start, end + 1):
        byte = np.int64(text[place]) if place < end else np.int64(32)
        if byte >= 128 or 97 <= byte | 32 <= 122 or 48 <= byte <= 57:
            word = (word ^ np.uint64(byte | 32 if 65 <= byte <= 90 else byte)) * FNV_PRIME
            letters += 1
        elif letters:
            found = find_value(keys, values, word)
            if found >= 0:
                total += weights[found]
                least = min(least, weights[found])
                most = max(most, weights[found])
            word = FNV_OFFSET
            letters = 0
    out[0], out[1], out[2] = total, least, most


@entry
def set_features(
    text: np.ndarray,
    blocks: np.ndarray,
    nodes: np.ndarray,
    words: np.ndarray,
    word_weights: np.ndarray,
    text_keys: np.ndarray,
    text_values: np.ndarray,
    text_weights: np.ndarray,
    title: np.ndarray,
    ids: np.ndarray,
    table: np.ndarray,
) -> None:
    """Set `table`: a row of NUM_FEATURES numbers (float32) a block, but for the types of the page; and `ids`: see
    `records.set_records`.
    """
    count, num_nodes = blocks.shape[0], nodes.shape[0]
    length, density, prose = lengths(blocks)
    # Sums over elements, children into parents; and what elements hand down to what stands in them.
    sums = np.zeros((num_nodes, 4), np.float32)  # length, length in links, prose, blocks
    direct = np.zeros(num_nodes, np.float32)  # prose of the blocks one element below
    own = np.zeros((num_nodes, 2), np.float32)
    for pair in range(words.shape[0]):
        own[words[pair, 0], 0] += word_weights[words[pair, 1], 0]
        own[words[pair, 0], 1] += word_weights[words[pair, 1], 1]
    for b in range(count):
        node = blocks[b, B_NODE]
        sums[node, 0] += length[b]
        sums[node, 1] += length[b] * density[b]
        sums[node, 2] += prose[b]
        sums[node, 3] += 1
        direct[max(0, nodes[node, N_PARENT])] += prose[b]
    heaviest = np.zeros(num_nodes, np.int32)
    for n in range(num_nodes - 1, 0, -1):
        parent = nodes[n, N_PARENT]
        for column in range(4):
            sums[parent, column] += sums[n, column]
        if heaviest[parent] == 0 or sums[n, 2] > sums[heaviest[parent], 2]:
            heaviest[parent] = n
    set_records(blocks, nodes, length, density, prose, sums, ids, table[:, RECORDS_AT:TYPES_AT])
    chain = np.zeros(num_nodes, np.int32)  # 1-based place in the chain of elements that hold most of the prose
    n, place = 0, 1
    chain[0] = 1
    while heaviest[n] and sums[heaviest[n], 2] > 0.5 * sums[n, 2]:
        n = heaviest[n]
        place += 1
        chain[n] = place
    chain_length = place
    down = np.zeros((num_nodes, 2, 3), np.float32)  # sum, least and greatest of class numbers from the root to here
    on_chain = np.zeros(num_nodes, np.int32)
    article = np.zeros(num_nodes, np.int32)
    down[0, :, 0] = own[0]
    for n in range(1, num_nodes):
        parent = nodes[n, N_PARENT]
        for which in range(2):
            down[n, which, 0] = down[parent, which, 0] + own[n, which]
            down[n, which, 1] = min(down[parent, which, 1], own[n, which])
            down[n, which, 2] = max(down[parent, which, 2], own[n, which])
        on_chain[n] = n if chain[n] else on_chain[parent]
        article[n] = n if nodes[n, N_TAG] == _ARTICLE else article[parent]
    # Blocks alike: in elements of the same tags and classes. Blocks with the same text.
    size = 64
    while size < 3 * count:
        size *= 2
    slots = np.full((size, 2), -1, np.int32)
    keys = np.empty((size, 2), np.int32)
    alike = np.zeros((count, 4), np.float32)
    alike_of = np.empty(count, np.int32)
    same_before = np.zeros(count, np.int32)
    same_total = np.zeros(count, np.int32)
    same_of = np.empty(count, np.int32)
    for b in range(count):
        k1 = np.int64(blocks[b, B_NODE])
        k2 = max(np.int64(0), np.int64(nodes[k1, N_PARENT]))
        k3 = max(np.int64(0), np.int64(nodes[k2, N_PARENT]))
        shape = nodes[k1, N_SHAPE] ^ (nodes[k2, N_SHAPE] << 1 & 0x7FFFFFFF) ^ (nodes[k3, N_SHAPE] << 2 & 0x7FFFFFFF)
        for which in range(2):
            key = np.int32(shape) if which == 0 else blocks[b, B_HASH]
            slot = (key ^ key >> 13) & (size - 1)
            while slots[slot, which] >= 0 and keys[slot, which] != key:
                slot = (slot + 1) & (size - 1)
            if slots[slot, which] < 0:
                slots[slot, which] = b
                keys[slot, which] = key
            first = slots[slot, which]
            if which == 0:
                alike_of[b] = first
                alike[first, 0] += 1
                alike[first, 1] += length[b]
                alike[first, 2] += length[b] * density[b]
                alike[first, 3] += prose[b]
            else:
                same_of[b] = first
                same_before[b] = same_total[first]
                same_total[first] += 1
    grams = title_set(title)
    total = max(np.float32(1.0), sums[0, 0])
    total_prose = max(np.float32(1.0), sums[0, 2])
    best_direct = max(np.float32(1.0), direct.max())
    prose_in_p = 0.0
    for b in range(count):
        if nodes[blocks[b, B_NODE], N_FLAGS] & IN_P:
            prose_in_p += prose[b]
    next_prose = np.full(count, 99, np.int32)
    since = 99
    for b in range(count - 1, -1, -1):
        next_prose[b] = since
        since = 1 if prose[b] > 60 else min(99, since + 1)
    before, prose_before = np.float32(0.0), np.float32(0.0)
    since, since_heading, since_h1 = 99, 99, 199
    for b in range(count):
        row, out = blocks[b], table[b]
        k1, inner = np.int64(row[B_NODE]), np.int64(row[B_INNER])
        k2 = max(np.int64(0), np.int64(nodes[k1, N_PARENT]))
        k3 = max(np.int64(0), np.int64(nodes[k2, N_PARENT]))
        flags = nodes[inner, N_FLAGS]
        chars = np.float32(max(1, row[B_CHARS]))
        out[0] = length[b]
        out[1] = density[b]
        out[2] = row[B_LINKS]
        out[3] = row[B_COMMAS]
        out[4] = row[B_ENDS]
        out[5] = row[B_DIGITS] / chars
        out[6] = row[B_UPPER] / chars
        out[7] = row[B_LETTERS] / chars
        out[8] = row[B_SIGNS]
        out[9] = row[B_BOLD] / chars
        out[10] = length[b] / (row[B_SPACES] + 1 + row[B_CJK] * 0.5)
        out[11] = kind_of_character(row[B_FIRST])
        out[12] = kind_of_character(row[B_LAST])
        out[13] = row[B_BREAKS]
        out[14] = row[B_IMAGES]
        out[15] = prose[b]
        out[16] = nodes[k1, N_TAG]
        out[17] = nodes[inner, N_TAG]
        out[18] = nodes[k1, N_LISTS]
        out[19] = nodes[k1, N_DEPTH]
        out[20] = same_before[b]
        out[21] = same_total[same_of[b]] - same_before[b] - 1
        out[22] = share_in_title(text, row[B_START], row[B_END], grams) if row[B_END] - row[B_START] < 400 else 0.0
        out[23] = own[k1, 0]
        out[24] = down[inner, 0, 0]
        out[25] = down[inner, 0, 1]
        out[26] = down[inner, 0, 2]
        out[27] = own[inner, 0]
        f = 28
        bits = row[B_TEXT_WORDS]
        num_bits = 0
        while bits:
            num_bits += bits & 1
            bits >>= 1
        out[f] = num_bits
        f += 1
        for flag in _FLAGS:
            out[f] = flags & flag != 0
            f += 1
        for node in (k1, k2, k3):
            out[f] = sums[node, 0] / total
            out[f + 1] = sums[node, 1] / max(np.float32(1.0), sums[node, 0])
            out[f + 2] = sums[node, 3]
            out[f + 3] = sums[node, 2] / total_prose
            f += 4
        above = on_chain[k1]
        out[f] = direct[k2] / best_direct
        out[f + 1] = sums[above, 2] / total_prose
        out[f + 2] = nodes[k1, N_DEPTH] - nodes[above, N_DEPTH]
        out[f + 3] = chain_length - chain[above]
        out[f + 4] = sums[article[k1], 2] / total_prose if article[k1] else -1.0
        out[f + 5] = sums[k3, 0] / max(np.float32(1.0), sums[k3, 3])
        f += 6
        group = alike[alike_of[b]]
        out[f] = group[0]
        out[f + 1] = group[1] / group[0]
        out[f + 2] = group[2] / max(np.float32(1.0), group[1])
        out[f + 3] = group[3] / total_prose
        f += 4
        for step in (-1, 1, -2, 2):
            other = b + step
            if 0 <= other < count:
                k = blocks[other, B_NODE]
                out[f] = length[other]
                out[f + 1] = density[other]
                out[f + 2] = blocks[other, B_ENDS]
                out[f + 3] = nodes[k, N_TAG]
                out[f + 4] = down[k, 0, 0]
                out[f + 5] = (k == k1) + (nodes[k, N_PARENT] == nodes[k1, N_PARENT])
            else:
                out[f : f + 6] = -1
            f += 6
        for reach in (3, 10):
            around, linked, all_length = np.float32(0.0), np.float32(0.0), np.float32(1.0)
            for other in range(max(0, b - reach), min(count, b + reach + 1)):
                around += prose[other]
                all_length += length[other]
                linked += length[other] * density[other]
            out[f] = around
            out[f + 1] = linked / all_length
            f += 2
        if _H1 <= nodes[k1, N_TAG] <= _H6:
            since_heading = 0
            if nodes[k1, N_TAG] == _H1:
                since_h1 = 0
        out[f] = b / count
        out[f + 1] = before / total
        out[f + 2] = prose_before / total_prose
        out[f + 3] = 1 - (prose_before + prose[b]) / total_prose
        out[f + 4] = since
        out[f + 5] = next_prose[b]
        out[f + 6] = since_heading
        out[f + 7] = since_h1
        f += 8
        since_heading = min(99, since_heading + 1)
        since_h1 = min(199, since_h1 + 1)
        since = 1 if prose[b] > 60 else min(99, since + 1)
        before += length[b]
        prose_before += prose[b]
        out[f] = total
        out[f + 1] = sums[0, 1] / total
        out[f + 2] = count
        out[f + 3] = total_prose
        out[f + 4] = best_direct / total_prose
        out[f + 5] = prose_in_p / total_prose
        f += 6
        for bit in range(NUM_TEXT_WORDS):
            out[f] = row[B_TEXT_WORDS] >> bit & 1
            f += 1
        out[f] = own[k1, 1]
        out[f + 1] = down[inner, 1, 0]
        out[f + 2] = down[inner, 1, 1]
        out[f + 3] = down[inner, 1, 2]
        out[f + 4] = own[inner, 1]
        f += 5
        end = row[B_END] if row[B_END] - row[B_START] <= SHORT else row[B_START]
        _set_words(text, row[B_START], end, text_keys, text_values, text_weights, out[f : f + 3])
