"""A GPT: a decoder-only Transformer, in plain PyTorch.

The letters at the end of a tensor's name are its dimensions, in order:

    B  sequences in the batch     C  channels of the residual stream (width)
    T  tokens read now            H  heads of the queries
    S  tokens attended to         K  heads of the keys and values; each serves H / K query heads
    V  vocabulary                 D  channels of one head, C / H
    P  pairs of channels, D / 2   M  channels inside the MLP

S is T, and with a cache also the tokens before. A block is pre-norm, as in GPT-2 (Radford et al., 2019):
x + attention(norm(x)), then x + mlp(norm(x)).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from model.attention import ATTENTION, Visibility, pattern
from model.cache import KVCache
from model.config import GPTConfig
from model.initial import INITIALISATIONS
from model.layers import MLP, NORMS, RMSNorm, rotary_angles, rotate
from model.loss import IGNORED_TARGET, cap, linear_cross_entropy, losses

_GATE_CHANNELS = 12  # of the block's input, that the gate of a value embedding reads; nanochat


@dataclass(frozen=True)
class Context:
    """What all layers of one forward pass share: the angles of the positions, the cache, and who may look at whom."""

    rotary: tuple[torch.Tensor, torch.Tensor] | None
    cache: KVCache | None
    visibility: Visibility


class Attention(nn.Module):
    """Causal self-attention with several heads; keys and values may have fewer."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_width = config.head_width
        self.attend = ATTENTION[config.attention]
        self.pattern = pattern(config, layer)
        self.dropout = config.dropout
        self.qk_norm = RMSNorm(config.norm_epsilon) if config.qk_norm else nn.Identity()
        self.qk_scale = config.qk_scale
        kv_width = config.kv_heads * config.head_width
        self.query = nn.Linear(config.width, config.width, bias=config.bias)
        self.key = nn.Linear(config.width, kv_width, bias=config.bias)
        self.value = nn.Linear(config.width, kv_width, bias=config.bias)
        self.output = nn.Linear(config.width, config.width, bias=config.bias)
        self.value_gate: nn.Linear | None = None
        if layer in config.value_embedding_layers:
            self.value_gate = nn.Linear(min(_GATE_CHANNELS, config.width), config.kv_heads, bias=False)

    def forward(self, x_BTC: torch.Tensor, context: Context, values_BTC: torch.Tensor | None) -> torch.Tensor:
        """`values_BTC` are the value embeddings of the tokens, (B, T, K * D)."""
        q_BHTD = self._split_heads(self.query(x_BTC))
        k_BKTD = self._split_heads(self.key(x_BTC))
        v_BKTD = self._split_heads(self.value(x_BTC))
        if self.value_gate is not None and values_BTC is not None:
            # From 0 to 3, and so more than the values themselves where that helps (nanochat).
            gate_BKT1 = 3 * torch.sigmoid(self.value_gate(x_BTC[..., : self.value_gate.in_features]).mT[..., None])
            v_BKTD = v_BKTD + (gate_BKT1 * self._split_heads(values_BTC)).type_as(v_BKTD)
        if context.rotary is not None:
            q_BHTD, k_BKTD = rotate(q_BHTD, *context.rotary), rotate(k_BKTD, *context.rotary)
        # A norm may give float32 under autocast, and attention wants one number format.
        q_BHTD, k_BKTD = self.qk_norm(q_BHTD).type_as(v_BKTD), self.qk_norm(k_BKTD).type_as(v_BKTD)
        if self.qk_scale != 1:
            q_BHTD, k_BKTD = q_BHTD * self.qk_scale, k_BKTD * self.qk_scale
        k_BKSD, v_BKSD = k_BKTD, v_BKTD
        if context.cache is not None:
            window = self.pattern.size if self.pattern.letter == "S" else None
            k_BKSD, v_BKSD = context.cache.append(self.layer, k_BKTD, v_BKTD, window)
        dropout = self.dropout if self.training else 0.0
        out_BHTD = self.attend(q_BHTD, k_BKSD, v_BKSD, self.pattern, context.visibility, dropout)
        out_BTC: torch.Tensor = self.output(out_BHTD.transpose(1, 2).flatten(2))
        return out_BTC

    def _split_heads(self, x_BTC: torch.Tensor) -> torch.Tensor:
        batch_size, num_tokens, width = x_BTC.shape
        return x_BTC.view(batch_size, num_tokens, width // self.head_width, self.head_width).transpose(1, 2)


class Block(nn.Module):
    """One layer: attention between tokens, then the MLP within each, both added to the residual stream."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = NORMS[config.norm](config)
        self.attention = Attention(config, layer)
        self.mlp_norm = NORMS[config.norm](config)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(self, x_BTC: torch.Tensor, context: Context, values_BTC: torch.Tensor | None = None) -> torch.Tensor:
        x_BTC = x_BTC + self.dropout(self.attention(self.attention_norm(x_BTC), context, values_BTC))
        x_BTC = x_BTC + self.dropout(self.mlp(self.mlp_norm(x_BTC)))
        return x_BTC


class GPT(nn.Module):
    """The language model: token ids in, logits of each next token out, or the loss."""

    def __init__(self, config: GPTConfig) -> None:
        """Weights are drawn from PyTorch's global generator: `torch.manual_seed` before it decides them."""
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding: nn.Embedding | None = None
        self.rotary_cos_TP: torch.Tensor
        self.rotary_sin_TP: torch.Tensor
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.sequence_length, config.width)
        elif config.positions == "rotary":
            # `init_weights` fills them. They follow from the configuration, so no checkpoint holds them.
            shape = (config.sequence_length, config.head_width // 2)
            self.register_buffer("rotary_cos_TP", torch.empty(shape), persistent=False)
            self.register_buffer("rotary_sin_TP", torch.empty(shape), persistent=False)
        else:
            raise ValueError(f"positions is {config.positions!r}, which this model cannot compute")
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.embedding_norm = RMSNorm(config.norm_epsilon) if config.embedding_norm else nn.Identity()
        kv_width = config.kv_heads * config.head_width
        self.value_embeddings = nn.ModuleDict(
            {str(layer): nn.Embedding(config.vocab_size, kv_width) for layer in config.value_embedding_layers}
        )
        self.residual_scalars = nn.Parameter(torch.empty(config.num_layers)) if config.residual_scalars else None
        self.input_scalars = nn.Parameter(torch.empty(config.num_layers)) if config.input_scalars else None
        self.blocks = nn.ModuleList([Block(config, layer) for layer in range(config.num_layers)])
        self.norm = NORMS[config.norm](config)
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        if config.tied_head:
            self.head.weight = self.token_embedding.weight
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """Fill the weights as `config.initialisation` says (`model.initial`), and the table of rotary angles."""
        INITIALISATIONS[self.config.initialisation](self, self.config)
        if self.config.positions == "rotary":
            config = self.config
            cos_TP, sin_TP = rotary_angles(config.sequence_length, config.head_width, config.rotary_base)
            self.rotary_cos_TP.copy_(cos_TP)
            self.rotary_sin_TP.copy_(sin_TP)

    def forward(
        self,
        tokens_BT: torch.Tensor,
        targets_BT: torch.Tensor | None = None,
        cache: KVCache | None = None,
        reduction: str = "mean",
        *,
        documents_BT: torch.Tensor | None = None,
        z_loss: float = 0.0,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, T, V) of the token after each; with `targets_BT`, the cross-entropy in nats, in float32 at least.

        Targets are the token ids that come next; -1 is not counted. `reduction` is "mean" over the targets that count
        (0 without any), "sum", "none" for (B, T), 0 where nothing counts, or "sum_and_each" for the sum and, without a
        gradient, what "none" gives. Logits are whole in memory with "none" alone (`model.loss`). With a cache,
        `tokens_BT` follow those in it and are added to it. `documents_BT` are numbers of documents: attention stays
        among tokens of one number.
        `z_loss` adds so much of the square of log sum exp(logits) to the loss of each target, which keeps it near 0
        (Chowdhery et al., 2022, PaLM, section 5). Raises `ValueError` for tokens that this model cannot read; ids are
        looked at on a CPU only, since a GPU would have to be waited for.
        """
        x_BTC = self.hidden(tokens_BT, cache, documents_BT)
        if targets_BT is None:
            return self.logits(x_BTC)
        self._check_targets(tokens_BT, targets_BT)
        if reduction not in ("mean", "sum", "none", "sum_and_each"):
            raise ValueError(f"reduction is {reduction!r}; set it to 'mean', 'sum', 'none' or 'sum_and_each'")
        targets_N = targets_BT.flatten().long()
        if reduction == "none":
            return losses(self.logits(x_BTC).flatten(0, 1), targets_N, z_loss).view_as(targets_BT)
        total, each_N = linear_cross_entropy(
            x_BTC.flatten(0, 1), self.head.weight, targets_N, soft_cap=self.config.logit_soft_cap, z_loss=z_loss
        )
        if reduction == "sum_and_each":
            return total, each_N.view_as(targets_BT)
        return total / (targets_N != IGNORED_TARGET).sum().clamp(min=1) if reduction == "mean" else total

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next token, (..., V), of what `hidden` gives, (..., C); in float32 where they are capped."""
        return cap(self.head(x), self.config.logit_soft_cap)

    def hidden(
        self, tokens_BT: torch.Tensor, cache: KVCache | None = None, documents_BT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The residual stream after the last norm, (B, T, C): what the head reads."""
        self._check_tokens(tokens_BT, cache)
        self._check_documents(tokens_BT, cache, documents_BT)
        return self.hidden_unchecked(tokens_BT, cache, documents_BT)

    def hidden_unchecked(
        self, tokens_BT: torch.Tensor, cache: KVCache | None = None, documents_BT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The same without a look at the tokens: for those that the model itself has written."""
        start = 0 if cache is None else cache.length
        end = start + tokens_BT.shape[1]
        positions: torch.Tensor | slice = slice(start, end)
        lengths_B = None
        if cache is not None and cache.lengths_B is not None:
            lengths_B = cache.lengths_B.to(tokens_BT.device) + tokens_BT.shape[1]
            positions = torch.arange(-tokens_BT.shape[1], 0, device=tokens_BT.device) + lengths_B[:, None]
        x_BTC = self.token_embedding(tokens_BT)
        rotary = None
        if self.position_embedding is not None:
            if isinstance(positions, slice):
                positions = torch.arange(start, end, device=tokens_BT.device)
            x_BTC = x_BTC + self.position_embedding(positions)
        else:
            rotary = (self.rotary_cos_TP[positions], self.rotary_sin_TP[positions])
            if lengths_B is not None:  # a row has its own, and its heads share them
                rotary = (rotary[0][:, None], rotary[1][:, None])
        x_BTC = first_BTC = self.dropout(self.embedding_norm(x_BTC))
        context = Context(rotary, cache, Visibility(documents_BT, lengths_B))
        for layer, block in enumerate(self.blocks):
            if self.residual_scalars is not None:
                x_BTC = self.residual_scalars[layer] * x_BTC
            if self.input_scalars is not None:
                x_BTC = x_BTC + self.input_scalars[layer] * first_BTC
            key = str(layer)
            values_BTC = self.value_embeddings[key](tokens_BT) if key in self.value_embeddings else None
            x_BTC = block(x_BTC, context, values_BTC)
        if cache is not None:
            cache.advance(tokens_BT.shape[1])
        normed_BTC: torch.Tensor = self.norm(x_BTC)
        return normed_BTC

    def set_window(self, window: int | None) -> None:
        """Let "S" layers see so many tokens from now on, for a schedule that widens windows; None: as configured.

        Raises `ValueError` for more than the configured window. A compiled model is compiled anew for each window.
        """
        most = self.config.window_tokens
        if window is not None and not 1 <= window <= most:
            raise ValueError(f"a window of {window} tokens; set it from 1 to the configured {most}")
        for attention in self._attentions:
            attention.pattern = pattern(self.config, attention.layer, window)

    @property
    def _attentions(self) -> list[Attention]:
        return [module for module in self.modules() if isinstance(module, Attention)]

    def num_parameters(self, include_embeddings: bool = True) -> int:
        """Parameters, a tied head counted once.

        Without embeddings: without the tables of tokens, positions and values and the head, the N of Kaplan et al.,
        2020.
        """
        total = sum(parameter.numel() for parameter in self.parameters())
        if include_embeddings:
            return total
        tables = [self.head.weight, *(module.weight for module in self.modules() if isinstance(module, nn.Embedding))]
        return total - sum({id(table): table.numel() for table in tables}.values())

    def flops_per_token(self) -> int:
        """FLOPs to train on one token, forward and backward, in sequences of `sequence_length`.

        6 N + 12 L H D T, as Chowdhery et al., 2022 (PaLM), appendix B, count them for model FLOPs utilisation:
        N are the weights of the matrix products, the head included and tables that are only looked up not; the
        attention term takes no advantage of the causal mask. In a layer with windows T is the present window where
        that is less, in a strided or fixed one the mean number of keys that a query sees.
        """
        config = self.config
        num_weights = sum(module.weight.numel() for module in self.modules() if isinstance(module, nn.Linear))
        keys = sum(attention.pattern.keys_per_query(config.sequence_length) for attention in self._attentions)
        return 6 * num_weights + round(12 * config.num_heads * config.head_width * keys)

    def check_ids(self, ids: torch.Tensor, lowest: int = 0, what: str = "token id") -> None:
        """Raise `ValueError` for ids that the vocabulary does not have. On a GPU this waits for the device."""
        smallest, largest = (int(bound) for bound in torch.aminmax(ids))
        if smallest < lowest or largest >= self.config.vocab_size:
            wrong = smallest if smallest < lowest else largest
            raise ValueError(
                f"{what} {wrong} is beyond the vocabulary, 0 to {self.config.vocab_size - 1}; use the tokenizer that "
                "the model was made for, or set vocab_size to its size"
            )

    def _check_tokens(self, tokens_BT: torch.Tensor, cache: KVCache | None) -> None:
        if tokens_BT.dim() != 2 or tokens_BT.dtype not in (torch.int32, torch.int64) or 0 in tokens_BT.shape:
            raise ValueError(
                f"tokens are {tokens_BT.dtype} of shape {list(tokens_BT.shape)}; give int32 or int64 of shape (batch, "
                "tokens), at least one token"
            )
        before = 0 if cache is None else cache.length
        most = self.config.sequence_length if cache is None else cache.capacity
        if before + tokens_BT.shape[1] > most:
            cached = f" after {before} in the cache" if before else ""
            limit = f"the cache's capacity is {most}" if cache is not None else f"sequence_length is {most}"
            raise ValueError(f"{tokens_BT.shape[1]} tokens{cached} are too many: {limit}; give fewer tokens")
        if cache is not None and cache.batch_size != tokens_BT.shape[0]:
            raise ValueError(
                f"the cache is for {cache.batch_size} rows, not {tokens_BT.shape[0]}; make one of that size"
            )
        if tokens_BT.device.type == "cpu" and not torch.compiler.is_compiling():
            self.check_ids(tokens_BT)

    @staticmethod
    def _check_documents(tokens_BT: torch.Tensor, cache: KVCache | None, documents_BT: torch.Tensor | None) -> None:
        if documents_BT is None:
            return
        if cache is not None:
            raise ValueError("a cache holds one document a row; give documents_BT or a cache, not both")
        if documents_BT.shape != tokens_BT.shape:
            raise ValueError(
                f"numbers of documents have shape {list(documents_BT.shape)}, tokens {list(tokens_BT.shape)}; give one "
                "number a token"
            )

    def _check_targets(self, tokens_BT: torch.Tensor, targets_BT: torch.Tensor) -> None:
        if targets_BT.shape != tokens_BT.shape:
            raise ValueError(
                f"targets have shape {list(targets_BT.shape)}, tokens {list(tokens_BT.shape)}; give one target a token"
            )
        if targets_BT.device.type == "cpu" and not torch.compiler.is_compiling():
            self.check_ids(targets_BT, lowest=IGNORED_TARGET, what="target")
