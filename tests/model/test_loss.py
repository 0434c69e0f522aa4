"""Cross-entropy by chunks against PyTorch's own on whole logits, its gradients, and the memory that it takes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from model import GPT
from model.loss import IGNORED_TARGET, chunk_tokens, linear_cross_entropy
from tests.model.configs import small

N, C, V = 23, 12, 31
CPU = torch.device("cpu")


def inputs(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden, weight = (torch.randn(size, C, generator=generator, dtype=dtype).requires_grad_() for size in (N, V))
    targets = torch.randint(V, (N,), generator=generator)
    return hidden, weight, targets


def plain(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, soft_cap: float, z_loss: float
) -> torch.Tensor:
    """The losses of whole logits, as they are written down."""
    logits = F.linear(hidden, weight)
    if soft_cap:
        logits = soft_cap * torch.tanh(logits / soft_cap)
    each = F.cross_entropy(logits, targets, ignore_index=-1, reduction="none")
    return each + z_loss * logits.logsumexp(1) ** 2 * (targets != -1)


TARGETS: dict[str, Any] = {
    "all count": lambda targets: targets,
    "some ignored": lambda targets: targets.masked_fill(torch.arange(N) % 3 == 0, -1),
    "a chunk of ignored ones": lambda targets: targets.masked_fill(torch.arange(N) < 10, -1),
    "one counts": lambda targets: targets.masked_fill(torch.arange(N) != 17, -1),
    "none counts": lambda targets: torch.full_like(targets, -1),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(("soft_cap", "z_loss"), [(0.0, 0.0), (2.0, 0.0), (0.0, 0.1), (15.0, 1e-4), (1.5, 0.5)])
@pytest.mark.parametrize("chunk", [1, 5, 22, 23, 100])
def test_loss_and_gradients_are_those_of_whole_logits(kind: str, soft_cap: float, z_loss: float, chunk: int) -> None:
    hidden, weight, targets = inputs()
    targets = TARGETS[kind](targets)
    expected = plain(hidden, weight, targets, soft_cap, z_loss)
    expected_gradients = torch.autograd.grad(expected.sum() * 0.3, (hidden, weight))
    total, each = linear_cross_entropy(hidden, weight, targets, soft_cap=soft_cap, z_loss=z_loss, chunk=chunk)
    assert not each.requires_grad
    torch.testing.assert_close(each, expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(total, expected.sum(), rtol=1e-12, atol=1e-12)
    gradients = torch.autograd.grad(total * 0.3, (hidden, weight))
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-12, atol=1e-12)
    assert bool((each[targets == IGNORED_TARGET] == 0).all())
    if kind == "none counts":
        assert total == 0
        assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("wanted", ["hidden", "weight", "neither", "no_grad"])
def test_only_the_wanted_gradients_are_made(wanted: str) -> None:
    hidden, weight, targets = inputs()
    expected = plain(hidden, weight, targets, 3.0, 0.01).sum()
    expected_gradients = torch.autograd.grad(expected, (hidden, weight))
    hidden.requires_grad_(wanted in ("hidden", "no_grad"))
    weight.requires_grad_(wanted in ("weight", "no_grad"))
    with torch.no_grad() if wanted == "no_grad" else contextlib.nullcontext():
        total, _ = linear_cross_entropy(hidden, weight, targets, soft_cap=3.0, z_loss=0.01, chunk=7)
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    assert total.requires_grad == (wanted in ("hidden", "weight"))
    if total.requires_grad:
        total.backward()
        own, right = (hidden, expected_gradients[0]) if wanted == "hidden" else (weight, expected_gradients[1])
        torch.testing.assert_close(own.grad, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_half_precision_is_near_and_the_loss_is_float32(dtype: torch.dtype) -> None:
    """Under autocast with weights in float32, and with weights in bfloat16."""
    hidden, weight, targets = inputs(dtype=dtype)
    found = []
    for chunk in (6, N):  # by chunks, and the plain way
        context = torch.autocast("cpu", torch.bfloat16) if dtype == torch.float32 else contextlib.nullcontext()
        with context:
            total, each = linear_cross_entropy(hidden, weight, targets, z_loss=0.01, chunk=chunk)
        assert (total.dtype, each.dtype) == (torch.float32, torch.float32)
        found.append((total, *torch.autograd.grad(total, (hidden, weight))))
    assert [each.dtype for each in found[0][1:]] == [dtype, dtype]
    assert found[0][0].item() == pytest.approx(found[1][0].item(), rel=1e-6)
    torch.testing.assert_close(found[0][1:], found[1][1:], rtol=0.05, atol=0.05)


def test_the_sum_goes_backward_once() -> None:
    hidden, weight, targets = inputs()
    total, _ = linear_cross_entropy(hidden, weight, targets, chunk=7)
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute it again"):
        total.backward()


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of eight tokens, or so, of a vocabulary of 97."""
    monkeypatch.setattr("model.loss._CPU_CHUNK_BYTES", 8 * 4 * 97)
    monkeypatch.setattr("model.loss._LEAST_CHUNK", 1)


def whole_losses(model: GPT, tokens: torch.Tensor, targets: torch.Tensor, z_loss: float) -> torch.Tensor:
    x = model.hidden(tokens).flatten(0, 1)
    return plain(x, model.head.weight, targets.flatten(), model.config.logit_soft_cap, z_loss).view_as(targets)


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("kind", ["gpt2", "modern", "llama", "nanochat", "windows"])
@pytest.mark.parametrize("z_loss", [0.0, 0.02])
def test_every_gradient_of_a_model(kind: str, z_loss: float) -> None:
    torch.manual_seed(3)
    model = GPT(small(kind)).double()
    tokens = torch.randint(97, (3, 24))
    targets = tokens.roll(-1, 1).masked_fill(torch.rand(3, 24) < 0.2, -1)
    expected = whole_losses(model, tokens, targets, z_loss)
    (expected.sum() / 50).backward()
    right = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    total, each = model(tokens, targets, reduction="sum_and_each", z_loss=z_loss)
    torch.testing.assert_close(each, expected.detach(), rtol=1e-12, atol=1e-12)
    (total / 50).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, right[name], rtol=1e-12, atol=1e-12, msg=name)
    mean = expected.sum() / (targets != -1).sum()
    torch.testing.assert_close(model(tokens, targets, z_loss=z_loss), mean, rtol=1e-12, atol=1e-12)
    each = model(tokens, targets, reduction="none", z_loss=z_loss)
    torch.testing.assert_close(each, expected, rtol=1e-12, atol=1e-12)
    assert each.requires_grad


@pytest.mark.usefixtures("short_chunks")
def test_a_micro_batch_without_targets_gives_no_nan() -> None:
    model = GPT(small("modern"))
    tokens = torch.randint(97, (2, 24))
    total, _ = model(tokens, torch.full_like(tokens, -1), reduction="sum_and_each", z_loss=0.1)
    total.backward()
    assert total == 0
    assert not any(parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.usefixtures("short_chunks")
def test_compiled_blocks_and_chunks() -> None:
    losses = []
    for compiles in (False, True):
        torch.manual_seed(0)
        model = GPT(small("nanochat"))
        for block in model.blocks if compiles else ():
            block.compile(backend="aot_eager", fullgraph=True)
        tokens = torch.arange(48).view(2, 24)
        total, _ = model(tokens, tokens + 1, reduction="sum_and_each")
        total.backward()
        losses.append((total, *(parameter.grad for parameter in model.parameters())))
    torch.testing.assert_close(losses[0], losses[1])


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that an operation gives."""

    elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        out = function(*arguments, **(keywords or {}))
        for each in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(each, torch.Tensor):
                self.elements = max(self.elements, each.numel())
        return out


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("kind", ["gpt2", "nanochat"])
def test_logits_are_never_whole(kind: str) -> None:
    model = GPT(small(kind, width=16, num_heads=2, num_kv_heads=2))
    tokens = torch.randint(97, (4, 24))
    for reduction, is_whole in (("none", True), ("sum", False), ("mean", False), ("sum_and_each", False)):
        for wants in (True, False):
            with Largest() as largest, torch.set_grad_enabled(wants):
                found = model(tokens, tokens, reduction=reduction)
                if wants and not is_whole:
                    (found[0] if isinstance(found, tuple) else found).backward()
            assert (largest.elements >= 96 * 97) == is_whole


@pytest.mark.parametrize(
    ("num_tokens", "vocab_size", "device", "right"),
    [
        (768, 65, "cpu", 768),  # in one
        (4096, 8192, "cpu", 256),
        (4096, 50_304, "cpu", 256),
        (1000, 8192, "cpu", 250),  # of equal size
        (3, 10**8, "cpu", 3),
        (1000, 10**8, "cuda", 250),
        (2**16, 50_304, "cuda", 2622),
        (2**16, 50_304, "mps", 2622),
    ],
)
def test_a_chunk_follows_from_sizes(num_tokens: int, vocab_size: int, device: str, right: int) -> None:
    assert chunk_tokens(num_tokens, vocab_size, torch.device(device)) == right
