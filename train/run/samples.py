"""Samples of a model while it trains: `samples.txt`."""

from __future__ import annotations

from model import GPT
from model.sampling import Sampling
from train.generate import Trained, load_tokenizer
from train.run.folder import TOKENIZER, RunFolder
from train.settings import TrainSettings

_TEMPERATURE, _TOP_K = 0.8, 50


def write_samples(folder: RunFolder, model: GPT, step: int, settings: TrainSettings, seed: int) -> bool:
    """Go on from each of the recipe's prompts and add the texts; False where the run has no tokenizer.

    Drawn with a generator of its own, so that samples change nothing about training.
    """
    if not settings.sample_tokens or not settings.sample_prompts:
        return True
    if not (folder.path / TOKENIZER).is_file():
        return False
    trained = Trained(model, load_tokenizer(folder.path / TOKENIZER), step)
    sampling = Sampling(temperature=_TEMPERATURE, top_k=_TOP_K)
    written = trained.write(settings.sample_prompts, settings.sample_tokens, sampling, seed)
    texts = [(text.prompt, text.text) for text in written]
    folder.add_samples(step, f"temperature {_TEMPERATURE}, top k {_TOP_K}, seed {seed}", texts)
    return True
