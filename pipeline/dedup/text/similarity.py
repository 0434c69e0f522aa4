import numpy as np


def similarities(values, offsets, first, second, measure, sequence, rep):
    out = np.empty(first.size)
    for i, (a, b) in enumerate(zip(first, second, strict=False)):
        A = set(values[offsets[a] : offsets[a + 1]].tolist())
        B = set(values[offsets[b] : offsets[b + 1]].tolist())
        if rep[a] or rep[b]:
            out[i] = float(sequence[a] == sequence[b])
            continue
        i_ = len(A & B)
        out[i] = i_ / len(A | B) if measure == "similarity" else i_ / len(B)
    return out
