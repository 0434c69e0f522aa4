"""The scanner: bytes of a page to blocks of clean text and the elements that they stand in, in one pass.

A block is the text between two line breaks as a browser would lay it out: a paragraph, a heading, a list item, a cell,
a line before `<br>`. Its text is written decoded, with white space folded (but in `<pre>`), so that features and
rendering work on what a reader sees. Elements are rows of `nodes` in document order, parents before children. Time and
memory are linear in the bytes, whatever is nested in what.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.compiled.views import view
from pipeline.markup.html import layout as L
from pipeline.markup.html.elements import grown
from pipeline.markup.html.layout import Scanned, Tables
from pipeline.markup.html.lexing import SEEN_RUNS, after_markup_declaration
from pipeline.markup.html.read_tag import read_tag
from pipeline.markup.html.tags import PAIRS_OF_TAG
from pipeline.markup.html.text import end_block, read_text


@kernel
def _scan_on(
    data: np.ndarray, i: int, state: np.ndarray, text: np.ndarray, blocks: np.ndarray, nodes: np.ndarray,
    pairs: np.ndarray, stack: np.ndarray, last: np.ndarray, tags: np.ndarray, tag_keys: np.ndarray,
    tag_values: np.ndarray, tag_kinds: np.ndarray, tag_flags: np.ndarray, class_keys: np.ndarray,
    class_values: np.ndarray, seen_keys: np.ndarray, seen_values: np.ndarray, text_keys: np.ndarray,
    text_values: np.ndarray, entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> int:  # fmt: skip
    """Scan until the page ends or one of the arrays has no room for one more; returns where it stopped.

    Arrays are neither replaced nor taken out of a tuple in here: compiled code counts references to them, which would
    cost more than all else.
    """
    end = data.size
    while i < end:
        if (
            state[L.S_BLOCKS] + 2 > blocks.shape[0]
            or state[L.S_NODES] + 2 > nodes.shape[0]
            or state[L.S_PAIRS] + PAIRS_OF_TAG > pairs.shape[0]
            or state[L.S_DEPTH] + 2 > stack.shape[0]
        ):
            return i
        if data[i] == 60 and i + 1 < end:
            following = data[i + 1]
            first = data[i + 2] if following == 47 and i + 2 < end else following
            if 97 <= first | 32 <= 122:
                i = read_tag(
                    data, i, state, text, blocks, nodes, pairs, stack, last, tags,
                    tag_keys, tag_values, tag_kinds, tag_flags, class_keys, class_values, seen_keys, seen_values,
                    text_keys, text_values, entity_keys, entity_values, entity_characters, low_characters,
                )  # fmt: skip
                continue
            if following == 33 or following == 63 or following == 47:
                i = after_markup_declaration(data, i)
                continue
        i = read_text(
            data, i, state, text, blocks, stack, entity_keys, entity_values, entity_characters, low_characters
        )
    return i


@entry
def scan(
    data: np.ndarray, tables: Tables, num_tags: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, int, int, np.ndarray]:
    """Scan a page (UTF-8 bytes): text, blocks, nodes, word pairs, start and end of the title in `data`, what it met,
    and its tags (T_...). num_tags: at least as many as there are `<`, or 0 where nobody asks for tags.
    """
    (
        tag_keys, tag_values, tag_kinds, tag_flags, entity_keys, entity_values, entity_characters, low_characters,
        class_keys, class_values, text_keys, text_values,
    ) = tables  # fmt: skip
    text = np.empty(data.size + data.size // 4 + 64, np.uint8)  # what a reference means is hardly longer than it is
    blocks = np.empty((512, L.BLOCK_COLUMNS), np.int32)
    nodes = np.zeros((2048, L.NODE_COLUMNS), np.int32)
    nodes[0, L.N_ROW] = nodes[0, L.N_ITEM] = nodes[0, L.N_PARENT] = -1
    pairs = np.empty((4096, 2), np.int32)
    # Rows of open elements: node, tag, place of the next element of its tag below, place of the nearest element that is
    # shown as a block, what is due at its end, the hash of its name, and where its tag stands.
    stack = np.zeros((256, 7), np.int32)
    last = np.full(tag_kinds.size, -1, np.int32)  # where in the stack the innermost element of each tag is
    seen_keys, seen_values = np.zeros(SEEN_RUNS, np.uint64), np.zeros((SEEN_RUNS, 3), np.int32)
    state = np.zeros(L.STATE_SIZE, np.int64)
    tags = np.empty((num_tags, L.TAG_COLUMNS), np.int32)
    state[L.S_NODES] = 1
    state[L.S_TAGS] = 0 if num_tags else -1
    state[L.S_LINK] = state[L.S_TITLE_START] = state[L.S_TITLE_END] = -1
    state[L.S_LAST] = 32
    i = np.int64(0)  # a plain 0 has a type of its own, for which all would be compiled once more
    while True:
        i = _scan_on(
            view(data), i, view(state), view(text), view(blocks), view(nodes), view(pairs), view(stack), view(last),
            view(tags),
            view(tag_keys), view(tag_values), view(tag_kinds), view(tag_flags),
            view(class_keys), view(class_values), view(seen_keys), view(seen_values),
            view(text_keys), view(text_values),
            view(entity_keys), view(entity_values), view(entity_characters), view(low_characters),
        )  # fmt: skip
        if i >= data.size:
            break
        if state[L.S_BLOCKS] + 2 > blocks.shape[0]:
            blocks = grown(blocks)
        if state[L.S_NODES] + 2 > nodes.shape[0]:
            nodes = grown(nodes)
        if state[L.S_PAIRS] + PAIRS_OF_TAG > pairs.shape[0]:
            pairs = grown(pairs)
        if state[L.S_DEPTH] + 2 > stack.shape[0]:
            stack = grown(stack)
    if state[L.S_OPEN]:
        end_block(blocks, state, text, text_keys, text_values)
    return (
        text[: state[L.S_OUT]], blocks[: state[L.S_BLOCKS]], nodes[: state[L.S_NODES]], pairs[: state[L.S_PAIRS]],
        state[L.S_TITLE_START], state[L.S_TITLE_END], state[L.S_MET], tags[: max(0, state[L.S_TAGS])],
    )  # fmt: skip


def scan_page(data: bytes, looked_up: Tables) -> Scanned:
    """Scan a page of UTF-8 bytes."""
    text, blocks, nodes, words, start, end, met, _ = scan(np.frombuffer(data, np.uint8), looked_up, 0)
    return Scanned(text, blocks, nodes, words, (start, end), met)


def scan_tags(data: bytes, looked_up: Tables) -> np.ndarray:
    """A row (T_...) for each tag that `scan_page` reads, in order."""
    tags: np.ndarray = scan(np.frombuffer(data, np.uint8), looked_up, data.count(b"<") + 1)[-1]
    return tags
