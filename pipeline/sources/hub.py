"""Hugging Face datasets, of the hub or in a local folder: which data files a source reads, and in which version.

The `datasets` package finds the files and reads them. It takes half a second and 80 MB to import, so it is imported
only where a recipe has such a source. A local folder is read without a network and without its cache.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from manifests.errors import UserError, check_is_text
from manifests.patterns import matching_files
from manifests.secrets import check_no_credentials
from manifests.settings import Settings
from pipeline.sources.settings import RawFormat, SourceSettings

# Readers of `datasets` that give text. The others give images, sound and the like.
_TEXT_READERS = ("arrow", "csv", "json", "parquet", "text")
_PATHS_AT_ONCE = 500
# Of `datasets`, each after some attempts of the hub's client: minutes in all, not a quarter of an hour.
_MOST_RETRIES = 8
_DATA_NAME = re.compile(r"\.(arrow|csv|json|jsonl|ndjson|parquet|tsv|txt)(\.\w+)?$")
_MISREAD = re.compile(r"::|[*?\[\n\r]")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class HubColumns(Settings):
    """Names of the dataset's columns. One that is not set is read where the dataset has a column of that name."""

    text: str = "text"
    """Column of the text, a string. Rows without one are dropped when documents are extracted."""
    id: str | None = None
    """Column of the document's id, a string or an integer. A mere number becomes `<path>/<config>/<split>/<number>`;
    a row without one has the id `<path>/<file>#<row>`."""
    url: str | None = None
    """Column of its URL, a string."""
    title: str | None = None
    """Column of its title, a string."""
    date: str | None = None
    """Column of the date, a string or a time."""
    language: str | None = None
    """Column of its language code, a string."""


class HuggingFaceSource(SourceSettings):
    """Rows of one split of a Hugging Face dataset. It is streamed: only the documents are stored.

    `datasets` reads all files of a dataset in the same way: as json, csv, parquet, arrow or text (a document a line).
    """

    kind: Literal["huggingface"] = "huggingface"
    """The kind of source."""
    format: ClassVar[RawFormat] = "parquet"
    """Format of its raw files, as they are stored here."""
    path: str = Field(min_length=1)
    """A repository of the hub (`wikimedia/wikipedia`), or a local folder that begins with ./, ../, / or ~."""
    config: str | None = None
    """Name of the configuration, where the dataset has several."""
    split: str = Field(default="train", pattern=r"^\w+(\.\w+)*$")
    """Name of the split."""
    revision: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][\w./-]*$")
    """Branch, tag or commit of the repository; the newest commit of its main branch where this is not set."""
    data_files: list[str] | None = Field(default=None, min_length=1)
    """Patterns of the files to read, relative to the dataset, in place of those that it names itself."""
    columns: HubColumns = HubColumns()
    """Names of its columns."""
    max_documents: int | None = Field(default=None, ge=1)
    """Number of rows to take, the first of the split (files are then read one after the other); all where not set."""
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$")
    """Language code of all of it, where that is known."""

    @field_validator("path")
    @classmethod
    def _path_is_plain(cls, path: str) -> str:
        check_no_credentials(path)
        if not _is_local(path) and not _REPOSITORY.fullmatch(path):
            raise ValueError("a path is a repository of the hub, such as wikimedia/wikipedia, or a folder as ./folder")
        return path

    @field_validator("data_files")
    @classmethod
    def _files_are_of_the_dataset(cls, patterns: list[str] | None) -> list[str] | None:
        for pattern in patterns or []:
            if "://" in pattern or pattern.startswith("/") or ".." in pattern.split("/") or not pattern.strip():
                raise ValueError("a data file is a path or a pattern below the dataset")
        return patterns

    @property
    def is_local(self) -> bool:
        """Whether it is a folder on this machine."""
        return _is_local(self.path)


class HubFile(Settings):
    """One data file of a dataset.

    key: its path below the dataset. sha256: of a local file, or of one of the hub's large files; None for small ones,
    of which the hub says `blob`, git's id of their content.
    """

    key: str
    bytes: int
    sha256: str | None = None
    blob: str | None = None


class HubShard(Settings):
    """The share of one task: files that are read one after the other into one file. Fixed by the data.

    revision: the commit; None for a local folder. reader: the reader of `datasets`, and `options` for it, as JSON.
    """

    number: int
    revision: str | None
    reader: str
    options: dict[str, Any]
    files: list[HubFile]


class HubListing(Settings):
    """What a source reads, and in which version."""

    revision: str | None
    reader: str
    options: dict[str, Any]
    files: list[HubFile]
    in_order: bool
    """The files are one shard: how much is taken of one depends on those before it."""

    @property
    def num_shards(self) -> int:
        return 1 if self.in_order else len(self.files)

    def shards(self) -> list[HubShard]:
        """One for each data file."""
        groups = [self.files] if self.in_order else [[file] for file in self.files]
        shared: dict[str, Any] = {"revision": self.revision, "reader": self.reader, "options": self.options}
        return [HubShard(number=number, files=files, **shared) for number, files in enumerate(groups)]


def list_hub(source: HuggingFaceSource, recipe_folder: Path, digest: Callable[[str], str] | None = None) -> HubListing:
    """The data files of a source's split, in the order of the dataset, with their sizes and digests.

    digest: gives the sha256 of a local file; it is computed where no function is given.
    Raises `UserError` where there is no such dataset, configuration, split or revision, it is closed to this user, the
    hub is out of reach, or what it holds is no text.
    """
    revision = None if source.is_local else _resolve_revision(source, recipe_folder)
    place = dataset_place(source, recipe_folder, revision)
    if source.is_local:
        local = (name for pattern in source.data_files or ["**/*"] for name in matching_files(pattern, place))
        _check_names(source, (place, *(name for name in local if _DATA_NAME.search(name))))
    with hub_errors(source), scratch_folder() as cache:
        builder = import_datasets().load_dataset_builder(
            str(local_folder(source, recipe_folder)) if source.is_local else source.path,
            name=source.config,
            revision=revision,
            data_files={source.split: source.data_files} if source.data_files else None,
            cache_dir=cache,
        )
        reader, options = _reader_of(source, builder)
        by_split = {str(split): list(files) for split, files in (builder.config.data_files or {}).items()}
    if source.split not in by_split:
        there = ", ".join(sorted(by_split)) or "none"
        raise UserError(f"source {source.name!r}: {source.path} has no split {source.split!r}; there are: {there}.")
    keys = [_key_below(place, url, source) for url in by_split[source.split]]
    if reader != "parquet":  # those are opened by their address
        _check_names(source, keys)
    if source.is_local:
        files = [_local_file(f"{place}/{key}", key, digest or _sha256) for key in keys]
    else:
        files = _hub_files(source, keys, str(revision))
    in_order = source.max_documents is not None
    return HubListing(revision=revision, reader=reader, options=options, files=files, in_order=in_order)


def _check_names(source: HuggingFaceSource, names: Iterable[str]) -> None:
    """Refuse names of data files that `datasets` would leave out, or take for other files, without a word."""
    for name in names:
        check_is_text(name, f"source {source.name!r}", "Rename it.")
        if mark := _MISREAD.search(name):
            raise UserError(
                f"source {source.name!r}: the name of {name!a} holds {mark[0]!a}, with which `datasets` "
                'loses the file. Rename it, or read the files by kind = "files".'
            )


def dataset_place(source: HuggingFaceSource, recipe_folder: Path, revision: str | None) -> str:
    """What a data file's key stands below: a local folder, or the hub's address of one commit."""
    if source.is_local:
        return str(local_folder(source, recipe_folder))
    return f"hf://datasets/{source.path}@{revision}"


def local_folder(source: HuggingFaceSource, recipe_folder: Path) -> Path:
    """The folder of a local dataset. Raises `UserError` where there is none."""
    folder = Path(os.path.realpath(Path(recipe_folder, os.path.expanduser(source.path))))
    if not folder.is_dir():
        raise UserError(f"source {source.name!r}: {source.path}: no such folder; it starts at {recipe_folder}.")
    return folder


def import_datasets() -> Any:
    """The `datasets` package, kept from what a build does not want.

    It would import torch beside it (180 MB), count downloads at a server, and draw its own progress bars.
    """
    import datasets
    from huggingface_hub import constants

    datasets.config.TORCH_AVAILABLE = False
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    datasets.config.STREAMING_READ_MAX_RETRIES = datasets.config.STREAMING_OPEN_MAX_RETRIES = _MOST_RETRIES
    constants.HF_HUB_DISABLE_TELEMETRY = True
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity(datasets.utils.logging.CRITICAL)  # what it logs, it raises too
    return datasets


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder for the locks that `datasets` wants even where it stores nothing."""
    with tempfile.TemporaryDirectory(prefix="groundup-hub-", ignore_cleanup_errors=True) as folder:
        yield folder


@contextlib.contextmanager
def hub_errors(source: HuggingFaceSource, what: str | None = None) -> Iterator[None]:
    """Errors of the hub, and of `datasets`, as one line for the user. `what`: the file that is read."""
    import_datasets()
    import pyarrow as pa
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import errors as hub

    where = f"source {source.name!r}: {source.path}{f'/{what}' if what else ''}"
    try:
        yield
    except UserError:
        raise
    except hub.GatedRepoError:
        raise UserError(
            f"{where}: is gated: ask for access on its page of the hub, then log in with `hf auth login` or set "
            "HF_TOKEN."
        ) from None
    except hub.RepositoryNotFoundError:
        raise UserError(
            f"{where}: not found on the hub, or private. Check the name; for a private dataset log in with "
            "`hf auth login` or set HF_TOKEN; for a local folder write ./ before it."
        ) from None
    except hub.RevisionNotFoundError:
        raise UserError(f"{where}: the hub has no revision {source.revision!r} of it.") from None
    except hub.OfflineModeIsEnabled:
        raise UserError(f"{where}: the hub is switched off by HF_HUB_OFFLINE. Unset it, or give a folder.") from None
    except hub.HfHubHTTPError as error:
        raise _http_error(where, error) from None
    except DatasetNotFoundError as error:
        raise UserError(f"{where}: {_plain(error)}. Check the name, and log in with `hf auth login`.") from None
    except (hub.EntryNotFoundError, FileNotFoundError) as error:
        raise UserError(f"{where}: has no such data files ({_plain(error)}). Check data_files and config.") from None
    except (ConnectionError, TimeoutError) as error:
        raise _unreachable(where, error) from None
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        raise UserError(
            f"{where}: is a dataset with a loading script, which `datasets` does not run. Take a revision with data "
            "files, such as revision = 'refs/convert/parquet'."
        ) from None
    except (ValueError, EOFError, OSError, pa.ArrowException) as error:
        raise UserError(f"{where}: cannot be read ({_plain(error)}).") from None
    except Exception as error:
        # The hub's HTTP client is httpx or one of its heirs; decompressors share no class either.
        package = type(error).__module__.partition(".")[0].lstrip("_")
        if package.startswith(("httpx", "httpcore")):
            raise _unreachable(where, error) from None
        if package in ("datasets", "lzma", "zlib", "zstandard", "zstd"):
            raise UserError(f"{where}: cannot be read ({_plain(error)}).") from None
        raise


def _unreachable(where: str, error: BaseException) -> UserError:
    hint = "Check the network, then run the same command again."
    return UserError(f"{where}: the hub cannot be reached, or broke off ({_plain(error)}). {hint}")


def _http_error(where: str, error: Any) -> UserError:
    status = getattr(error.response, "status_code", None)
    if status in (401, 403):
        hint = "Log in with `hf auth login`, or set HF_TOKEN to a token that may read it."
        return UserError(f"{where}: refused by the hub ({status}). {hint}")
    if status == 429:
        hint = "Wait some minutes, log in (more is allowed then), and run the same command with fewer workers."
        return UserError(f"{where}: the hub was asked too much (429). {hint}")
    return UserError(f"{where}: the hub answered {status or _plain(error)}. Run the same command again later.")


def _plain(error: BaseException) -> str:
    """An error's message on one line and without the queries of URLs, in which a hub signs its addresses."""
    text = re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]*", r"\1", " ".join(str(error).split()))
    return (text or type(error).__name__).rstrip(".")[:300]


def _is_local(path: str) -> bool:
    return path.startswith(("./", "../", "/", "~")) or path in (".", "..")


def _resolve_revision(source: HuggingFaceSource, recipe_folder: Path) -> str:
    """The commit that a branch or tag names now."""
    if Path(recipe_folder, source.path).is_dir():
        raise UserError(
            f"source {source.name!r}: {source.path} is a folder here, too: write ./{source.path} for it, or move it "
            "for the repository of the hub."
        )
    with hub_errors(source):
        from huggingface_hub import HfApi

        sha = HfApi(library_name="groundup").dataset_info(source.path, revision=source.revision, timeout=60).sha
    if not re.fullmatch(r"[0-9a-f]{40,64}", str(sha)):
        raise UserError(f"source {source.name!r}: the hub names no commit of {source.path}. Check HF_ENDPOINT.")
    return str(sha)


def _reader_of(source: HuggingFaceSource, builder: Any) -> tuple[str, dict[str, Any]]:
    """The reader that `datasets` chose, and what the dataset's card sets for it."""
    module = type(builder).__module__.split(".")
    reader = module[2] if module[:2] == ["datasets", "packaged_modules"] else module[-1]
    if reader not in _TEXT_READERS:
        raise UserError(
            f"source {source.name!r}: {source.path} holds {reader} data; text comes from {', '.join(_TEXT_READERS)} "
            "files. Name such files under data_files."
        )
    import datasets

    common = {field.name for field in dataclasses.fields(datasets.BuilderConfig)} | {"features", "columns"}
    options = {}
    for field in dataclasses.fields(builder.config):
        value = getattr(builder.config, field.name)
        simple = isinstance(value, str | int | float | bool | list | None)
        if field.name not in common and simple and value != field.default:
            options[field.name] = value
    if reader == "csv" and options.get("delimiter") is not None:
        options.pop("sep", None)  # the reader sets it from `delimiter` itself
    return reader, options


def _key_below(place: str, url: str, source: HuggingFaceSource) -> str:
    url = url if "://" in url else os.path.realpath(url)
    if not url.startswith(f"{place}/"):
        raise UserError(f"source {source.name!r}: {source.path} names a data file outside of itself. Choose its files.")
    return url[len(place) + 1 :]


def _local_file(path: str, key: str, digest: Callable[[str], str]) -> HubFile:
    return HubFile(key=key, bytes=os.stat(path).st_size, sha256=digest(path))


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub_files(source: HuggingFaceSource, keys: list[str], revision: str) -> list[HubFile]:
    with hub_errors(source):
        from huggingface_hub import HfApi

        api = HfApi(library_name="groundup")
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _PATHS_AT_ONCE):
            some = keys[start : start + _PATHS_AT_ONCE]
            for info in api.get_paths_info(source.path, some, revision=revision, repo_type="dataset"):
                found[info.path] = info
    files = []
    for key in keys:
        if key not in found:
            raise UserError(f"source {source.name!r}: {source.path}/{key}: listed by the hub, and not there.")
        info = found[key]
        sha256 = info.lfs.sha256 if info.lfs is not None else None
        files.append(HubFile(key=key, bytes=info.size, sha256=sha256, blob=info.blob_id))
    return files
