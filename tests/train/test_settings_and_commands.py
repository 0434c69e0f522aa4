"""The recipe's tables, and the commands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from tokenizers import Tokenizer
from typer.testing import CliRunner

from manifests.errors import UserError
from model import GPTConfig
from model.engine import Step
from pipeline.recipe import Recipe
from tests.train.builds import byte_tokenizer, recipe, write_recipe
from tokenizer.bpe import tokenizer_bytes, train_bpe
from tokenizer.shards.read import ShardSet
from train import cli
from train.generate import load_trained, parse_tokenizer
from train.objectives.pretrain import pretrain
from train.parallel.hardware import peak_flops_of
from train.run import checkpoint
from train.run.folder import RunFolder
from train.run.samples import write_samples
from train.settings import ModelSettings, TrainRecipe, TrainSettings, _may_be_mine, load_run, read_tables

SMALL_CONFIG = {
    "vocab_size": 300,
    "sequence_length": 24,
    "num_layers": 2,
    "num_heads": 6,
    "num_kv_heads": 3,
    "width": 24,
    "mlp_ratio": 2.5,
    "norm": "rmsnorm",
    "norm_epsilon": 1e-6,
    "positions": "rotary",
    "rotary_base": 500,
    "activation": "relu2",
    "tied_head": False,
    "bias": True,
    "qk_norm": True,
    "qk_scale": 1.2,
    "attention": "reference",
    "window_pattern": "SL",
    "window": 8,
    "summary_columns": 4,
    "embedding_norm": True,
    "value_embeddings": True,
    "residual_scalars": True,
    "input_scalars": True,
    "logit_soft_cap": 15,
    "dropout": 0.1,
    "initialisation": "modern",
    "zero_init": True,
}  # no field has the default or the preset's value


@pytest.fixture(scope="module")
def run(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(pretrain(recipe(build), tmp_path_factory.mktemp("run")).run)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    cli.register(app)
    return app


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"train": {"learning_rat": 1.0}}, r"unknown key train.learning_rat \(did you mean 'learning_rate'\?\)"),
        ({"train": {"max_tokens": "many"}}, r"train.max_tokens: .*integer"),
        ({"train": {"schedule": "linear"}}, r"train.schedule: .*cosine"),
        ({"train": {"sequence_length": 100, "batch_tokens": 1024}}, r"1024 is not a multiple .* 1000 is"),
        ({"train": {"betas": [0.9, 1.0]}}, r"betas must lie in"),
        ({"train": {"betas": [0.9]}}, r"train.betas.1 is missing: add it"),
        ({"train": {"betas": "0.9,0.95"}}, r"train.betas: input should be a valid list, not '0.9,0.95'"),
        ({"train": {"head": {"betas": [0.9] * 3}}}, r"train.head.betas: list should have at most 2 items, not 3\.$"),
        ({"train": {"muon": 3}}, r"train.muon: input should be a table, not 3\.$"),
        ({"train": {"embeddings": [3]}}, r"train.embeddings: input should be a table\.$"),
        ({"train": {"batch_schedule": []}}, r"batch_schedule: it has no entries: write the first one, \[0, \.\.\.\]"),
        ({"train": {"head": {"momentum": 0.9}}}, r"train.head.momentum \(did you mean 'train.muon.momentum'\?\)"),
        ({"train": {"cautious_decay": True}}, r"\(did you mean 'train.muon.cautious_decay'\?\)"),
        ({"train": {"micro_batch_sequences": 0}}, r"at least 1"),
        ({"model": {"preset": "tinny"}}, r"no preset 'tinny' \(did you mean 'tiny'\?\)"),
        ({"model": {"vocab_size": 3}}, r"unknown key model.vocab_size"),
        ({"model": {"widht": 3}}, r"unknown key model.widht \(did you mean 'width'\?\)"),
        ({"model": {"num_layers": 0}}, r"recipe.toml: .*num_layers is 0; set it to a whole number of at least 1"),
        ({"model": {"num_layers": "two"}}, r"recipe.toml: model.num_layers: .*integer.*, not 'two'"),
        ({"model": {"tied_head": 2}}, r"recipe.toml: model.tied_head: .*boolean.*, not 2"),
        ({"model": {"norm": "rms"}}, r"norm is 'rms' \(did you mean 'rmsnorm'\?\); set it to 'layernorm' or"),
        ({"model": {"width": 30, "num_heads": 4}}, r"\[model\] does not describe a model"),
    ],
)
def test_wrong_tables_are_refused(tables: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_tables({"name": "x", "output": "build/x"} | tables, "recipe.toml")


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 1.5, True, "x", float("nan"), float("inf")])
def test_seeds_out_of_range_are_refused(seed: object) -> None:
    with pytest.raises(UserError, match=r"^recipe.toml: seed: input should be .*, not "):
        read_tables({"name": "x", "output": "build/x", "seed": seed}, "recipe.toml")


@pytest.mark.parametrize(
    "assignment",
    [
        *['train.sample_prompts=["\udce6\udc97"]', "name=\udcff", "train.precision=\udcff", "\udcff=1"],
        *["output=a\udcffb", "train.\udcff=1"],
    ],
)
def test_what_is_not_utf_8_is_told(tmp_path: Path, assignment: str) -> None:
    """Bytes of the command line that are no text, as Python hands them on."""
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\noutput = "build/x"\n')
    with pytest.raises(UserError, match=r"^--set: '.*' is not valid UTF-8"):
        load_run(path, [assignment])
    path.write_bytes(b'name = "x"\noutput = "y"\n[train]\nsample_prompts = ["\xe6\x97"]\n')
    with pytest.raises(UserError, match="not valid TOML: 'utf-8' codec can't decode"):
        load_run(path)


def test_every_field_of_a_model_can_be_set() -> None:
    fields = {name: field for name, field in ModelSettings.model_fields.items() if name not in ("preset", "depth")}
    config = GPTConfig.from_dict(SMALL_CONFIG)
    assert set(fields) == set(SMALL_CONFIG) - {"vocab_size", "sequence_length"}
    given = {name: value for name, value in SMALL_CONFIG.items() if name in fields}
    assert ModelSettings.model_validate(given).config(300, 24) == config


def test_other_tables_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\noutput = "build/x"\n[[sources]]\nname = "a"\n[filter]\nrules = []\n')
    found = load_run(path, ["train.learning_rate=0.01", "model.num_layers=3", "sources.a.weight=2"])
    assert (found.train.learning_rate, found.model.num_layers) == (0.01, 3)
    assert found.config(300).num_layers == 3
    read_tables({"name": "x", "output": "y", "sources": [], "shards": {"anything": 1}}, "recipe.toml")
    with pytest.raises(UserError, match=r"recipe.toml: unknown key trian \(did you mean 'train'\?\)"):
        read_tables({"name": "x", "output": "y", "trian": {}}, "recipe.toml")


def test_the_pipeline_and_the_trainer_know_the_same_tables() -> None:
    of_the_pipeline = set(Recipe.model_fields) - set(TrainRecipe.model_fields)
    assert [key for key in of_the_pipeline if _may_be_mine(key)] == []


def test_the_configuration_of_a_run_is_a_recipe(build: Path, run: Path) -> None:
    assert load_run(run / "config.toml") == recipe(build)


def test_generates_the_same_text_for_the_same_seed(run: Path) -> None:
    trained = load_trained(run)
    texts = ["".join(trained.stream("def ", 30, temperature=1.0, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    assert trained.step == 12
    greedy = ["".join(trained.stream("def ", 20, temperature=0.0, seed=seed)) for seed in (1, 2)]
    assert greedy[0] == greedy[1]
    with pytest.raises(UserError, match=r"cannot generate: top_p is 0"):
        list(trained.stream("x", 1, top_p=0.0))
    assert "".join(load_trained(run / "checkpoints" / "step-00000008").stream("", 5))


def test_characters_of_several_bytes_come_out_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = load_trained(run)
    wanted = byte_tokenizer().encode("naïve 日本 🙂 text").ids
    for ids, pieces in (
        ([*wanted, 256], list("naïve 日本 🙂 text")),
        (wanted, list("naïve 日本 🙂 text")),
        ([*wanted[:8], 256, 65], [*"naïve ", "\ufffd"]),  # the end of the text comes inside a character
        (wanted[:9], [*"naïve ", "\ufffd"]),
    ):
        stopped = ids[: ids.index(256) + 1] if 256 in ids else ids
        steps = [Step([0], [token], [-1.0], set()) for token in stopped]
        monkeypatch.setattr("model.engine.Engine.decode", lambda *_, steps=steps: iter(steps))
        assert list(trained.stream("x", 50)) == pieces
        write_samples(RunFolder(run), trained.model, 99, TrainSettings(sample_prompts=("x",)), 0)
        assert f"x|{''.join(pieces)}\n\n" in (run / "samples.txt").read_text().partition("=== step 99,")[2]
        RunFolder(run).truncate_after(12)


def test_generate_command(app: typer.Typer, run: Path) -> None:
    arguments = [
        "generate",
        str(run),
        *["--max-tokens", "12", "--num-samples", "2", "--top-k", "5"],
        "--prompt",
        "import ",
    ]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.count("import ") == 2
    with pytest.raises(UserError, match="no checkpoint here"):
        CliRunner().invoke(app, ["generate", str(run.parent)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "caf\udce9"], r"--prompt: 'caf\\udce9' is not valid UTF-8"),
        (["--prompt", "\udce6\udc97"], r"--prompt: .* is not valid UTF-8"),  # ends inside a character
        (["--temperature", "inf"], "--temperature"),
        (["--top-p", "0"], "--top-p"),
        (["--top-p", "-0.5"], "--top-p"),
        (["--top-p", "inf"], "--top-p"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**64)], "--seed"),
        (["--seed", "1.5"], "--seed"),
        (["--temperature", "nan"], "--temperature"),
        (["--temperature", "-0.1"], "--temperature"),
        (["--top-p", "nan"], "--top-p"),
        (["--top-p", "1.01"], "--top-p"),
        (["--top-k", "0"], "--top-k"),
        (["--max-tokens", "0"], "--max-tokens"),
        (["--num-samples", "0"], "--num-samples"),
    ],
)
def test_options_of_generate_out_of_range(app: typer.Typer, run: Path, options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["generate", str(run), "--prompt", "before", *options])
    assert result.exit_code == (1 if isinstance(result.exception, UserError) else 2)
    assert not result.stdout
    said = str(result.exception) if isinstance(result.exception, UserError) else result.output
    assert re.search(message, said), said


@pytest.mark.parametrize(
    "options",
    [
        *[["--prompt", ""], ["--prompt", "日本é🙂"], ["--seed", str(2**64 - 1), "--num-samples", "2"]],
        *[["--temperature", "1e-320"], ["--temperature", "1e300"], ["--top-k", "9" * 30]],
    ],
)
def test_options_of_generate_at_the_edge(app: typer.Typer, run: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["generate", str(run), "--max-tokens", "3", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output


def test_missing_tokenizer_and_damaged_state(run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer.json: missing"):
        load_trained(copy)
    byte_tokenizer().save(str(copy / "tokenizer.json"))
    assert isinstance(load_trained(copy).tokenizer, Tokenizer)
    state = checkpoint.list_checkpoints(copy / "checkpoints")[-1] / "state.json"
    state.write_text(state.read_text()[:-20])
    with pytest.raises(UserError, match=r"state.json: cannot be read"):
        load_trained(copy)


def test_steps_command_lists_what_a_step_saw(app: typer.Typer, build: Path, run: Path) -> None:
    result = CliRunner().invoke(app, ["steps", str(run), "--step", "3", "--json"], catch_exceptions=False)
    rows = [json.loads(line) for line in result.output.splitlines()]
    shards = ShardSet.open(str(build / "shards"), "train")
    assert rows == shards.documents_between(2 * 256, 3 * 256 + 1)
    plain = CliRunner().invoke(app, ["steps", str(run), "--step", "3"], catch_exceptions=False).output
    assert [line.split("\t")[0] for line in plain.splitlines()] == [row["id"] for row in rows]
    for step, message in (("13", "has steps 1 to 12"), ("99", "has steps 1 to 12")):
        with pytest.raises(UserError, match=message):
            CliRunner().invoke(app, ["steps", str(run), "--step", step], catch_exceptions=False)


def test_train_command(app: typer.Typer, build: Path, tmp_path: Path) -> None:
    asked = write_recipe(tmp_path / "recipe.toml", build, max_tokens=256 * 3)
    arguments = ["train", str(asked), "--run", str(tmp_path / "run")]
    stopped = CliRunner().invoke(app, [*arguments, "--until-step", "2"], catch_exceptions=False)
    assert "stopped after step 2 of 3" in stopped.output
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "3 steps done; validation loss" in done.output
    with pytest.raises(UserError, match=r"train.learning_rate 0.003 -> 0.1"):
        CliRunner().invoke(app, [*arguments, "--set", "train.learning_rate=0.1"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "flops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA RTX A1000", 0.0),
        ("NVIDIA T400 4GB", 0.0),
        ("Tesla T4", 65e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA GH200 480GB", 989e12),
        ("NVIDIA L40S", 362e12),
    ],
)
def test_peak_flops_by_whole_words(name: str, flops: float) -> None:
    assert peak_flops_of(name) == flops


@pytest.mark.parametrize("change", [{"continuing_subword_prefix": "long"}, {"type": "Other"}, {"merges": [["x", "y"]]}])
def test_a_tokenizer_that_cannot_be_read_is_named(change: dict[str, Any]) -> None:
    """Where its library panics, too."""
    data = json.loads(tokenizer_bytes(train_bpe(["a text of words, of words"] * 2, 270)))
    data["model"] |= change
    with pytest.raises(UserError, match=r"RUN/tokenizer\.json: not a tokenizer"):
        parse_tokenizer(json.dumps(data).encode(), "RUN/tokenizer.json")


@pytest.mark.parametrize(
    "change",
    [
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}},  # panics
        {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"}},
        {"model": {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": None}},
    ],
)
def test_a_tokenizer_that_fails_when_it_is_used_is_named(
    run: Path, change: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    trained = load_trained(run)
    data = json.loads(tokenizer_bytes(byte_tokenizer())) | change
    broken = replace(trained, tokenizer=parse_tokenizer(json.dumps(data).encode(), "RUN"))
    with pytest.raises(UserError, match=r"cannot generate: the run's tokenizer\.json is damaged \(\S.*\)\. Copy"):
        list(broken.stream("some text", 3))
    assert capfd.readouterr().err == ""  # no panic's own lines
