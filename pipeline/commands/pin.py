"""`groundup pin`: writes down exactly which files the sources of a recipe read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from manifests.manifest import read_manifest
from manifests.storage import Folder, split_path
from pipeline.mirrors.budget import Budget
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.network import Network
from pipeline.mirrors.remote import RemoteFile
from pipeline.recipe import Recipe, load_recipe
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.hub import HuggingFaceSource, list_hub
from pipeline.sources.kinds import Source, is_behind_mirror, is_in_place, list_in_place, list_mirror
from pipeline.sources.pins import Pin, PinnedSource, listing_settings, pin_hub, pin_local, pin_remote, write_pin
from pipeline.units import format_bytes

_Digests = dict[str, tuple[int, str]]  # key -> bytes, sha256
DEFAULT_FOLDER = Path("manifests", "sources")


def register(app: typer.Typer) -> None:
    """Mount the command."""

    @app.command()
    def pin(
        recipe: Annotated[Path, typer.Argument(help="A TOML recipe.", show_default=False)],
        out: Annotated[
            Path | None, typer.Option(help="Where to write. [default: manifests/sources/NAME.json]", show_default=False)
        ] = None,
        set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key: sources.cc.max_files=2.")] = None,
    ) -> None:
        """Write down exactly which files a recipe's sources read, so that `pin` in the recipe holds it to them."""
        loaded = load_recipe(recipe, set_ or [])
        with tempfile.TemporaryDirectory(prefix="groundup-pin-") as folder:
            network = Network(loaded.acquire.retry, Budget(folder, loaded.acquire))
            with network.downloader() as downloader:
                made = make_pin(loaded, downloader)
        path = out or DEFAULT_FOLDER / f"{loaded.name}.json"
        written = write_pin(made, path)
        for source in made.sources:
            total = sum(file.bytes or 0 for file in source.files)
            weak = sum(not (file.sha1 or file.sha256 or file.blob) for file in source.files)
            note = f", {weak:,} of them by ETag or date alone" if weak else ""
            typer.echo(f"  {source.name}: {len(source.files):,} files, {format_bytes(total)}{note}")
        typer.echo(f"{path}: {'written' if written else 'unchanged'}")


def make_pin(recipe: Recipe, downloader: Downloader) -> Pin:
    """List the sources of a recipe as they are now.

    The digests of what the recipe's build has acquired are taken over. Raises `UserError` where a listing cannot be
    read, or where nothing tells one version of a file from another.
    """
    acquired = _acquired(recipe)
    sources = [
        pin_source(source, recipe.folder, recipe.seed, downloader, acquired.get(source.name, {}))
        for source in recipe.sources
    ]
    return Pin(recipe=recipe.name, seed=recipe.seed, sources=sources)


def pin_source(
    source: Source, recipe_folder: Path, seed: int, downloader: Downloader, acquired: _Digests
) -> PinnedSource:
    """List one source. acquired: bytes and sha256, by key, of what a build has of it."""
    if isinstance(source, HuggingFaceSource):
        return pin_hub(source, list_hub(source, recipe_folder))
    if is_behind_mirror(source):
        in_ranges = isinstance(source, CommonCrawlSource) and source.index is not None
        files = pin_remote(list_mirror(source, downloader, seed), downloader, acquired, in_ranges)
    else:
        assert is_in_place(source)
        files = pin_local(list_in_place(source, recipe_folder), _digest)
    return PinnedSource(name=source.name, settings=listing_settings(source), files=files)


def _digest(file: RemoteFile) -> tuple[int, str]:
    folder, name = split_path(file.url)
    found = folder.digest(name)
    return found.bytes, found.sha256


def _acquired(recipe: Recipe) -> dict[str, _Digests]:
    """By source and key, what the recipe's build has downloaded."""
    manifest = read_manifest(Folder(recipe.output).folder("acquire"))
    found: dict[str, _Digests] = {}
    for file in manifest.facts["files"] if manifest is not None else []:
        if file.get("path") is not None:
            found.setdefault(file["source"], {})[file["key"]] = (file["bytes"], file["sha256"])
    return found
