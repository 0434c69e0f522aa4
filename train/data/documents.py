"""Which document each token of a batch belongs to."""

from __future__ import annotations

import torch


def number_documents(tokens_BT: torch.Tensor, end_of_text_id: int) -> torch.Tensor:
    """The number of each token's document in its sequence, from 0, (B, T) -> (B, T) int64.

    An end of text belongs to the document that it ends, so a token's number is that of the ends before it. A sequence
    may begin inside a document, which has the number 0.
    """
    ends_BT = tokens_BT == end_of_text_id
    return ends_BT.cumsum(dim=1) - ends_BT.long()
