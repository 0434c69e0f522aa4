"""Second look: features of a block from the first scores of what is around it."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import B_NODE, N_PARENT, N_SHAPE
from pipeline.markup.html.records import SCORE_NAMES, set_means
from pipeline.markup.html.signals import lengths

NAMES = (
    *("score", "p1", "n1", "p2", "n2", "p3", "n3", "k1", "k2", "k3", "k4", "k2_mass", "k3_mass", "alike"),
    *("window", "wide", "above", "below", "mass_before", "mass_after", "page_mass", "page_best", "k2_others", "run"),
    *SCORE_NAMES,
)
NUM_CONTEXT = len(NAMES)


@kernel
def set_context(blocks: np.ndarray, nodes: np.ndarray, ids: np.ndarray, scores: np.ndarray, table: np.ndarray) -> None:
    """Set `table`: a row of NUM_CONTEXT numbers (float32) a block, from probabilities `scores`.

    ids: the group, record and slot of each block (`records.py`).
    """
    count, num_nodes = blocks.shape[0], nodes.shape[0]
    length, _, _ = lengths(blocks)
    weight = length + np.float32(5.0)
    sums = np.zeros((num_nodes, 2), np.float32)
    for b in range(count):
        node = blocks[b, B_NODE]
        sums[node, 0] += weight[b]
        sums[node, 1] += weight[b] * scores[b]
    for n in range(num_nodes - 1, 0, -1):
        parent = nodes[n, N_PARENT]
        sums[parent, 0] += sums[n, 0]
        sums[parent, 1] += sums[n, 1]
    set_means(ids, num_nodes, weight, scores, table[:, NUM_CONTEXT - len(SCORE_NAMES) :])
    mass = max(np.float32(1e-6), sums[0, 1])
    size = 64
    while size < 3 * count:
        size *= 2
    slots = np.full(size, -1, np.int32)
    keys = np.empty(size, np.int32)
    group_of = np.empty(count, np.int32)
    groups = np.zeros((count, 2), np.float32)
    for b in range(count):
        k1 = np.int64(blocks[b, B_NODE])
        k2 = max(np.int64(0), np.int64(nodes[k1, N_PARENT]))
        k3 = max(np.int64(0), np.int64(nodes[k2, N_PARENT]))
        key = np.int32(
            nodes[k1, N_SHAPE] ^ (nodes[k2, N_SHAPE] << 1 & 0x7FFFFFFF) ^ (nodes[k3, N_SHAPE] << 2 & 0x7FFFFFFF)
        )
        slot = (key ^ key >> 13) & (size - 1)
        while slots[slot] >= 0 and keys[slot] != key:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot], keys[slot] = b, key
        group_of[b] = slots[slot]
        groups[slots[slot], 0] += weight[b]
        groups[slots[slot], 1] += weight[b] * scores[b]
    below = np.empty(count, np.float32)  # the score of what follows, fading with distance
    carried = np.float32(0.0)
    for b in range(count - 1, -1, -1):
        below[b] = carried
        fade = np.float32(np.exp(-weight[b] / 150.0))
        carried = carried * fade + scores[b] * (1 - fade)
    above, before = np.float32(0.0), np.float32(0.0)
    run = 0
    best = scores.max() if count else np.float32(0.0)
    for b in range(count):
        out = table[b]
        k1 = np.int64(blocks[b, B_NODE])
        k2 = max(np.int64(0), np.int64(nodes[k1, N_PARENT]))
        k3 = max(np.int64(0), np.int64(nodes[k2, N_PARENT]))
        k4 = max(np.int64(0), np.int64(nodes[k3, N_PARENT]))
        out[0] = scores[b]
        f = 1
        for step in (-1, 1, -2, 2, -3, 3):
            other = b + step
            out[f] = scores[other] if 0 <= other < count else -1.0
            f += 1
        for node in (k1, k2, k3, k4):
            out[f] = sums[node, 1] / sums[node, 0]
            f += 1
        out[f] = sums[k2, 1] / mass
        out[f + 1] = sums[k3, 1] / mass
        group = groups[group_of[b]]
        out[f + 2] = group[1] / group[0]
        f += 3
        for reach in (4, 12):
            weights, found = np.float32(0.0), np.float32(0.0)
            for other in range(max(0, b - reach), min(count, b + reach + 1)):
                if other != b:
                    weights += weight[other]
                    found += weight[other] * scores[other]
            out[f] = found / max(np.float32(1.0), weights)
            f += 1
        own = weight[b] * scores[b]
        out[f] = above
        out[f + 1] = below[b]
        out[f + 2] = before / mass
        out[f + 3] = 1 - (before + own) / mass
        out[f + 4] = mass
        out[f + 5] = best
        others = sums[k2, 0] - weight[b]
        out[f + 6] = (sums[k2, 1] - own) / others if others > 0.5 else -1.0
        run = run + 1 if scores[b] > 0.5 else 0
        out[f + 7] = run
        fade = np.float32(np.exp(-weight[b] / 150.0))
        above = above * fade + scores[b] * (1 - fade)
        before += own
