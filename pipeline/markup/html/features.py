"""Features of blocks: what a block is, what it stands in, what stands around it, and what the page is like.

None of them knows a site or a language: lengths count a CJK character as 2.5 letters, punctuation is that of any
script. Words of class names come in as two learned numbers each, one of all pages, one of those that are no articles;
words of short blocks as a learned number each, and as a few bits.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.documents.page_types import PAGE_TYPES
from pipeline.markup.html import layout as L
from pipeline.markup.html import signals
from pipeline.markup.html.lexing import find_value
from pipeline.markup.html.records import NAMES as RECORD_NAMES
from pipeline.markup.html.records import NUM_RECORDS, set_records
from pipeline.markup.html.tables import FNV_OFFSET, FNV_PRIME, TAG

_FLAG_NAMES = (
    *("aria_hidden", "nav", "header", "footer", "aside", "form", "figure", "article", "main", "item", "cell"),
    *("quote", "heading", "p", "code", "button", "address", "caption", "dl", "time", "pre"),
    *("hidden", "details", "dialog", "until_clicked"),
)
_FLAGS = np.array([vars(L).get(f"IN_{name.upper()}") or vars(L)[name.upper()] for name in _FLAG_NAMES], np.int32)
NUM_TEXT_WORDS = 14
_ARTICLE, _H1, _H6 = TAG["article"], TAG["h1"], TAG["h6"]
_OF_NEIGHBOURS = ("length", "density", "ends", "tag", "class", "same_k2")

NAMES = (
    *("length", "link_density", "links", "commas", "ends", "digits", "upper", "letters", "signs", "bold"),
    *("word_length", "first", "last", "breaks", "images", "prose", "tag", "inner_tag", "lists", "depth"),
    *("same_before", "same_after"),
    *("in_title", "class_own", "class_sum", "class_min", "class_max", "class_inner", "text_words"),
    *(f"in_{name}" for name in _FLAG_NAMES),
    *(f"{where}_{what}" for where in ("k1", "k2", "k3") for what in ("share", "density", "blocks", "prose_share")),
    *("k2_direct", "chain_share", "chain_below", "chain_left", "article_share", "k3_mean"),
    *("alike", "alike_length", "alike_density", "alike_share"),
    *(f"{where}_{what}" for where in ("p1", "n1", "p2", "n2") for what in _OF_NEIGHBOURS),
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
    text: np.ndarray, blocks: np.ndarray, nodes: np.ndarray, words: np.ndarray, word_weights: np.ndarray,
    text_keys: np.ndarray, text_values: np.ndarray, text_weights: np.ndarray, title: np.ndarray, ids: np.ndarray,
    table: np.ndarray,
) -> None:  # fmt: skip
    """Set `table`: a row of NUM_FEATURES numbers (float32) a block, but for the types of the page; and `ids`: see
    `records.set_records`.
    """
    count, num_nodes = blocks.shape[0], nodes.shape[0]
    length, density, prose = signals.lengths(blocks)
    # Sums over elements, children into parents; and what elements hand down to what stands in them.
    sums = np.zeros((num_nodes, 4), np.float32)  # length, length in links, prose, blocks
    direct = np.zeros(num_nodes, np.float32)  # prose of the blocks one element below
    own = np.zeros((num_nodes, 2), np.float32)
    for pair in range(words.shape[0]):
        own[words[pair, 0], 0] += word_weights[words[pair, 1], 0]
        own[words[pair, 0], 1] += word_weights[words[pair, 1], 1]
    for b in range(count):
        node = blocks[b, L.B_NODE]
        sums[node, 0] += length[b]
        sums[node, 1] += length[b] * density[b]
        sums[node, 2] += prose[b]
        sums[node, 3] += 1
        direct[max(0, nodes[node, L.N_PARENT])] += prose[b]
    heaviest = np.zeros(num_nodes, np.int32)
    for n in range(num_nodes - 1, 0, -1):
        parent = nodes[n, L.N_PARENT]
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
        parent = nodes[n, L.N_PARENT]
        for which in range(2):
            down[n, which, 0] = down[parent, which, 0] + own[n, which]
            down[n, which, 1] = min(down[parent, which, 1], own[n, which])
            down[n, which, 2] = max(down[parent, which, 2], own[n, which])
        on_chain[n] = n if chain[n] else on_chain[parent]
        article[n] = n if nodes[n, L.N_TAG] == _ARTICLE else article[parent]
    # Blocks alike: in elements of the same tags and classes. Blocks with the same text.
    alike_of, same_of = signals.firsts_alike(blocks, nodes), signals.firsts(blocks[:, L.B_HASH].copy())
    alike = np.zeros((count, 4), np.float32)
    same_before, same_total = np.zeros(count, np.int32), np.zeros(count, np.int32)
    for b in range(count):
        group = alike[alike_of[b]]
        group[0] += 1
        group[1] += length[b]
        group[2] += length[b] * density[b]
        group[3] += prose[b]
        same_before[b] = same_total[same_of[b]]
        same_total[same_of[b]] += 1
    grams = signals.title_set(title)
    total = max(np.float32(1.0), sums[0, 0])
    total_prose = max(np.float32(1.0), sums[0, 2])
    best_direct = max(np.float32(1.0), direct.max())
    prose_in_p = 0.0
    for b in range(count):
        if nodes[blocks[b, L.B_NODE], L.N_FLAGS] & L.IN_P:
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
        k1, inner = np.int64(row[L.B_NODE]), np.int64(row[L.B_INNER])
        k2 = signals.parent_of(nodes, k1)
        k3 = signals.parent_of(nodes, k2)
        flags = nodes[inner, L.N_FLAGS]
        chars = np.float32(max(1, row[L.B_CHARS]))
        out[0] = length[b]
        out[1] = density[b]
        out[2] = row[L.B_LINKS]
        out[3] = row[L.B_COMMAS]
        out[4] = row[L.B_ENDS]
        out[5] = row[L.B_DIGITS] / chars
        out[6] = row[L.B_UPPER] / chars
        out[7] = row[L.B_LETTERS] / chars
        out[8] = row[L.B_SIGNS]
        out[9] = row[L.B_BOLD] / chars
        out[10] = length[b] / (row[L.B_SPACES] + 1 + row[L.B_CJK] * 0.5)
        out[11] = signals.kind_of_character(row[L.B_FIRST])
        out[12] = signals.kind_of_character(row[L.B_LAST])
        out[13] = row[L.B_BREAKS]
        out[14] = row[L.B_IMAGES]
        out[15] = prose[b]
        out[16] = nodes[k1, L.N_TAG]
        out[17] = nodes[inner, L.N_TAG]
        out[18] = nodes[k1, L.N_LISTS]
        out[19] = nodes[k1, L.N_DEPTH]
        out[20] = same_before[b]
        out[21] = same_total[same_of[b]] - same_before[b] - 1
        start, end = row[L.B_START], row[L.B_END]
        out[22] = signals.share_in_title(text, start, end, grams) if end - start < 400 else 0.0
        out[23] = own[k1, 0]
        out[24] = down[inner, 0, 0]
        out[25] = down[inner, 0, 1]
        out[26] = down[inner, 0, 2]
        out[27] = own[inner, 0]
        f = 28
        bits = row[L.B_TEXT_WORDS]
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
        out[f + 2] = nodes[k1, L.N_DEPTH] - nodes[above, L.N_DEPTH]
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
                k = blocks[other, L.B_NODE]
                out[f] = length[other]
                out[f + 1] = density[other]
                out[f + 2] = blocks[other, L.B_ENDS]
                out[f + 3] = nodes[k, L.N_TAG]
                out[f + 4] = down[k, 0, 0]
                out[f + 5] = (k == k1) + (nodes[k, L.N_PARENT] == nodes[k1, L.N_PARENT])
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
        if _H1 <= nodes[k1, L.N_TAG] <= _H6:
            since_heading = 0
            if nodes[k1, L.N_TAG] == _H1:
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
            out[f] = row[L.B_TEXT_WORDS] >> bit & 1
            f += 1
        out[f] = own[k1, 1]
        out[f + 1] = down[inner, 1, 0]
        out[f + 2] = down[inner, 1, 1]
        out[f + 3] = down[inner, 1, 2]
        out[f + 4] = own[inner, 1]
        f += 5
        end = end if end - start <= SHORT else start
        _set_words(text, start, end, text_keys, text_values, text_weights, out[f : f + 3])
