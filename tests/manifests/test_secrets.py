"""Credentials stay out of messages, files and terminals."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from fsspec.config import conf
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.secrets import scrub
from manifests.settings import Settings, validate
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request

REPOSITORY = Path(__file__).resolve().parents[2]
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCY3XAMPLEKEY"
HUB_TOKEN = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWx"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:pw@host.org/x: not found", "https://***@host.org/x: not found"),
        ("ftp://me@host/x", "ftp://***@host/x"),
        ("see http://me:p@ss@host:80/x", "see http://***@host:80/x"),
        ("http://me:pa/ss@host/x", "http://***@host/x"),
        ("with url: /f.gz?X-Amz-Date=1&X-Amz-Signature=ab (refused)", "with url: /f.gz?*** (refused)"),
        ("'https://cdn.org/f?Expires=1&Signature=a~b_&Key-Pair-Id=K'", "'https://cdn.org/f?***'"),
        ("https://a.blob.core/c/f?sv=2020&sig=abc%3D", "https://a.blob.core/c/f?***"),
        ("https://h/f?a=1&token=xyz", "https://h/f?***"),
        ("https://h/go?to=http%3A%2F%2Fx%2Ff%3Ftoken%3Dabc", "https://h/go?***"),
        ("...cut&X-Amz-Signature=0123456789ab", "...cut&***"),
        (f"key {KEY_ID}, secret {SECRET_KEY}.", "key ***, secret ***."),
        (f"AWS_SECRET_ACCESS_KEY={SECRET_KEY} python", "AWS_SECRET_ACCESS_KEY=*** python"),
        (f"token {HUB_TOKEN} is not valid", "token *** is not valid"),
        ("{'authorization': 'Bearer abc.def-ghi'}", "{'authorization': '***'}"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("sent Bearer abcdefgh", "sent Bearer ***"),
        ("{'secret': 'abc', \"password\": \"x y\"}", "{'secret': '***', \"password\": '***'}"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, expected: str) -> None:
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/a@b.gz: cut after 10 bytes",
        "https://data.commoncrawl.org/crawl-data/CC-MAIN-2024-10/segments/1707947473347.0/warc/CC-MAIN-20240220.warc.gz",
        "abfss://container@account.dfs.core.windows.net/x",
        "https://en.wikipedia.org/w/index.php?title=Key&oldid=5",
        "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709, not 3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ",
        "unknown key shards.token_per_shard (did you mean 'tokens_per_shard'?)",
        "eos_token='<|endoftext|>' is not in the vocabulary; num_tokens: 5",
        "--token SHARD:POSITION, such as shard-00000:1234",
        "/home/Me/Data1/Work2024/aaaaaaaaaa/bbbbbbbbbbbbbbbb/cccc.warc.gz",
        'changed (ETag "5d41402abc4b2a76b9719d911017c592-12" -> date Fri, 01 Mar 2024 00:02:00 GMT)',
    ],
)
def test_other_text_stays(text: str) -> None:
    assert scrub(text) == text


def test_values_of_the_environment_are_taken_out_however_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    value = 'p"ä/ss+w=rd\\1'
    monkeypatch.setenv("DUMPS_PASSWORD", value)
    monkeypatch.setenv("HF_TOKEN", "short")
    monkeypatch.setenv("HTTPS_PROXY", "http://agent:hidden%2Fword@proxy.org:3128")
    monkeypatch.setenv("FSSPEC_GCS_TOKEN", "gcs-token-value")
    monkeypatch.setenv(
        "FSSPEC_S3", json.dumps({"key": "json-key-value", "client_kwargs": {"region_name": "eu-west-1"}})
    )
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", "http://storage.example.org:9000")
    monkeypatch.setitem(conf, "sftp", {"username": "sftp-user", "password": "sftp-password", "host": "sftp-host"})
    for form in (value, quote(value), quote(value, safe=""), json.dumps(value), repr(value)):
        assert "w=rd" not in scrub(f"cannot open ({form})")
        assert "w%3Drd" not in scrub(f"cannot open ({form})")
    for hidden in ("hidden/word", "hidden%2Fword", "gcs-token-value", "json-key-value", "sftp-user", "sftp-password"):
        assert scrub(f"a {hidden} b") == "a *** b"
    plain = "a short note: eu-west-1, http://storage.example.org:9000/b, sftp-host"
    assert scrub(plain) == plain


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab:/@?&=%3F.'\" AKIAhf_\n*")) | st.characters(), max_size=300))
def test_any_text_can_be_scrubbed_again(text: str) -> None:
    once = scrub(text)
    assert scrub(once) == once


@settings(max_examples=100, deadline=None)
@given(
    st.text("abcXYZ019-._~!$*+,;", min_size=8, max_size=40),
    st.sampled_from(["http://me:{}@h/x", "https://{}@h", "x?token={}", "y?a=b&X-Amz-Signature={}", "Bearer {}"]),
    st.text(max_size=20),
)
def test_no_part_of_a_credential_is_left(value: str, form: str, before: str) -> None:
    if form == "Bearer {}":
        value = "".join(character for character in value if character not in "!$*,;") + "abcdef"
    assert value not in scrub(f"{before.replace(value, '')} {form.format(value)} after")


class _Table(Settings):
    mirror: int


def test_a_wrong_setting_is_quoted_without_credentials() -> None:
    with pytest.raises(UserError, match=r"mirror: .*https://\*\*\*@host/x") as caught:
        validate(_Table, {"mirror": "https://me:hidden-word@host/x"}, "recipe.toml")
    assert "hidden-word" not in str(caught.value)


HIDDEN = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": "SessionTokenValue123456",
    "HF_TOKEN": HUB_TOKEN,
    "DUMPS_PASSWORD": "dumps-password-value",
    "FSSPEC_GCS_TOKEN": "gcs-token-value-123",
}
CONFIGURED = {"s3": {"key": "configured-key-id", "secret": "configured-secret-value"}}
SIGNED = f"X-Amz-Credential={KEY_ID}%2Fs3&X-Amz-Signature=signature0123456789&token=query-token-value"
SECRETS = [
    *HIDDEN.values(),
    *CONFIGURED["s3"].values(),
    "signature0123456789",
    "query-token-value",
    "redirect-password",
]
CRAWL = "CC-MAIN-2024-10"
WARC = f"crawl-data/{CRAWL}/segments/0/warc/a.warc.gz"


@dataclass
class World:
    """A mirror that sends to a second one with a signed URL, and a folder for builds."""

    folder: Path
    front: LoopbackMirror
    back: LoopbackMirror
    target: Callable[[], str]

    def run(self, mirror: str, *arguments: str, program: tuple[str, ...] = ("-m", "groundup")) -> tuple[int, str]:
        """Acquire in a process of its own; returns its exit code and all that it printed."""
        recipe = self.folder / "recipe.toml"
        recipe.write_text(
            f'name = "x"\noutput = "{self.folder}/build"\n[[sources]]\nname = "cc"\nkind = "common_crawl"\n'
            f'mirror = "{mirror}"\ncrawl = "{CRAWL}"\n'
            "[acquire]\nrequests_per_second = 1000\n"
            "[acquire.retry]\nmax_attempts = 2\nmax_connect_attempts = 1\nfirst_wait_seconds = 0.01\n"
        )
        command = [sys.executable, *program, "run", str(recipe), "--until", "acquire", "--debug", *arguments]
        environment = {
            **os.environ,
            **HIDDEN,
            "FSSPEC_CONFIG_DIR": str(self.folder / "fsspec"),
            "PYTHONPATH": str(REPOSITORY),
        }
        ended = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    def check_no_secret(self, printed: str) -> int:
        """No file of the build and nothing printed has a secret; returns the number of files."""
        files = [path for path in (self.folder / "build").rglob("*") if path.is_file()]
        texts = {"printed": printed.encode()} | {str(path): path.read_bytes() for path in files}
        found = [(name, secret) for name, text in texts.items() for secret in SECRETS if secret.encode() in text]
        assert found == []
        return len(files)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "fsspec").mkdir()
    (tmp_path / "fsspec" / "conf.json").write_text(json.dumps(CONFIGURED))
    for name, content in {
        f"crawl-data/{CRAWL}/warc.paths.gz": f"{WARC}\n".encode(),
        WARC: b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 0\r\n\r\n\r\n\r\n",
    }.items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content))
    world: World

    def redirect(request: Request) -> Fault | None:
        return Fault(status=302, headers={"Location": world.target()}) if request.path == WARC else None

    with LoopbackMirror(tmp_path / "mirror", redirect) as front, LoopbackMirror(tmp_path / "mirror") as back:
        address = back.url.removeprefix("http://")
        world = World(tmp_path, front, back, lambda: f"http://me:redirect-password@{address}/{WARC}?{SIGNED}")
        yield world


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_build_records_no_credentials(world: World, workers: str) -> None:
    code, printed = world.run(world.front.url, "--workers", workers)
    assert code == 0, printed
    assert world.check_no_secret(printed) >= 4
    assert (world.folder / "build" / "acquire" / "cc" / WARC).exists()


@pytest.mark.parametrize("fault", ["refused", "broken", "cut", "unreachable", "no http"])
def test_a_build_that_fails_tells_no_credentials(world: World, fault: str) -> None:
    faults = {"refused": Fault(status=403), "broken": Fault(status=500), "cut": Fault(cut_after=5)}
    world.back._faults = lambda request: faults.get(fault)
    if fault == "unreachable":
        world.target = lambda: f"http://me:redirect-password@127.0.0.1:9/{WARC}?{SIGNED}"
    elif fault == "no http":
        world.target = lambda: f"ftp://me:redirect-password@127.0.0.1/{WARC}?{SIGNED}"
    code, printed = world.run(world.front.url, "--workers", "2")
    assert code == 1, printed
    assert "Traceback" in printed  # it was asked for with --debug
    assert "127.0.0.1" in printed.strip().splitlines()[-1]
    assert world.check_no_secret(printed) >= 4


_DEFECT = """
import os
from urllib.parse import quote
import groundup
import pipeline.stages.acquire_phases as phases

def broken(*_):
    try:
        raise OSError("https://me:redirect-password@store.org/x?token=query-token-value refused")
    except OSError as error:
        raise RuntimeError("cannot sign with " + quote(os.environ["AWS_SECRET_ACCESS_KEY"])) from error

phases.list_mirror = broken
groundup.run()
"""


def test_a_defect_that_quotes_credentials_is_shown_without_them(world: World) -> None:
    code, printed = world.run("http://127.0.0.1:9", program=("-c", _DEFECT))
    assert code == 1, printed
    assert "RuntimeError: cannot sign with ***" in printed
    assert "OSError: https://***@store.org/x?*** refused" in printed
    assert world.check_no_secret(printed) >= 2
    (record,) = (world.folder / "build" / "acquire" / "tasks").rglob("*.error.json")
    assert "cannot sign with ***" in record.read_text()
