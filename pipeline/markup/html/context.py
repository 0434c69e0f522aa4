"""Second look: features of a block from the first scores of what is around it."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import B_NODE, N_PARENT
from pipeline.markup.html.records import SCORE_NAMES, set_means
from pipeline.markup.html.signals import firsts_alike, lengths, parent_of

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
    group_of = firsts_alike(blocks, nodes)
    groups = np.zeros((count, 2), np.float32)
    for b in range(count):
        groups[group_of[b], 0] += weight[b]
        groups[group_of[b], 1] += weight[b] * scores[b]
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
        k2 = parent_of(nodes, k1)
        k3 = parent_of(nodes, k2)
        k4 = parent_of(nodes, k3)
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
