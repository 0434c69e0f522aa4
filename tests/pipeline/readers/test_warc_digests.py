"""Digest check of WARC files: real ones beside warcio's, made ones in every spelling, mutated ones."""

from __future__ import annotations

import base64
import contextlib
import csv
import gzip
import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from manifests.errors import UserError
from pipeline.readers.digests import BLOCK, PAYLOAD, DigestReport, Mismatch, check_warc_digests
from tests.pipeline.readers.test_readers_warc import CHANGES, make_record, mutate, page

HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def spell(algorithm: str, data: bytes, base: int) -> str:
    digest = hashlib.new(algorithm, data).digest()
    value = {16: base64.b16encode, 32: base64.b32encode, 64: base64.b64encode}[base](digest).decode()
    return f"{algorithm}:{value}"


def digested(number: int, body: bytes, algorithm: str = "sha1", base: int = 32) -> bytes:
    stated = {"WARC_Block_Digest": spell(algorithm, HTTP + body, base)}
    stated["WARC_Payload_Digest"] = spell(algorithm, body, base)
    return make_record(number, body, **stated)


def check(path: Path, data: bytes) -> DigestReport:
    path.write_bytes(data)
    return check_warc_digests(str(path))


def test_real_files_have_the_digests_that_warcio_finds(shared_data: Path) -> None:
    warcio = pytest.importorskip("warcio.archiveiterator")

    def passed(path: Path) -> Iterator[bool | None]:
        with contextlib.suppress(Exception), path.open("rb") as file:
            for record in warcio.ArchiveIterator(file, check_digests=True, no_record_parse=False):
                while record.raw_stream.read(1 << 16):
                    pass
                yield record.digest_checker.passed

    with (shared_data / "warc" / "MANIFEST.tsv").open() as lines:
        names = [row["file"] for row in csv.DictReader(lines, delimiter="\t")]
    num_sound = 0
    for name in names:
        path = shared_data / "warc" / name
        report = check_warc_digests(str(path))
        theirs = list(passed(path))
        if report.num_damaged or report.num_unknown or "digests-" in name or "fields-continuation" in name:
            continue  # where warcio stops, or calls a digest wrong that it cannot read; some of those are below
        if len(theirs) != report.num_records:
            continue  # it gave up
        wrong = {mismatch.offset for mismatch in report.mismatches}
        assert len(wrong) == theirs.count(False), name
        num_sound += theirs.count(True)
    assert num_sound > 500


def test_named_real_files(shared_data: Path) -> None:
    warc = shared_data / "warc"
    report = check_warc_digests(str(warc / "webrecorder_warcio/example-digest.warc"))
    assert (report.num_verified, report.num_mismatches, report.is_sound) == (7, 1, False)
    wrong = "sha1:1112H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"
    computed = "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"
    assert report.mismatches == [Mismatch(0, report.mismatches[0].id, PAYLOAD, wrong, computed)]
    assert report.mismatches[0].what == f"WARC-Payload-Digest is {wrong}, but its bytes give {computed}"
    crawl = check_warc_digests(str(warc / "archivesunleashed_aut/example.warc.gz"))
    assert (crawl.num_records, crawl.num_verified, crawl.is_sound) == (822, 261, True)
    # The same record with md5 and sha1, each in three spellings, and an MD5 in hexadecimal, which warcio misreads.
    spellings = check_warc_digests(str(warc / "richardlehane_webarchive/valid-warcrecorddigests-1.warc"))
    assert (spellings.num_records, spellings.num_verified, spellings.num_mismatches) == (7, 12, 0)
    crossed = check_warc_digests(str(warc / "richardlehane_webarchive/invalid-warcrecorddigests-1.warc"))
    assert crossed.num_mismatches == 12
    cut = check_warc_digests(str(warc / "chatnoir-eu_chatnoir-resiliparse/clipped.warc.gz"))
    assert (cut.num_damaged, cut.is_sound) == (1, False)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("base", [16, 32, 64])
def test_every_algorithm_and_spelling(tmp_path: Path, algorithm: str, base: int) -> None:
    good, other = digested(1, page(1), algorithm, base), digested(2, page(2), algorithm, base)
    report = check(tmp_path / "x.warc.gz", gzip.compress(good) + gzip.compress(other.replace(b"Page 2", b"Page 3")))
    assert (report.num_records, report.num_verified, report.num_mismatches) == (2, 2, 2)
    assert [(m.offset, m.name) for m in report.mismatches] == [(len(gzip.compress(good)), n) for n in (BLOCK, PAYLOAD)]


def test_what_is_not_checked(tmp_path: Path) -> None:
    wrong = {"WARC_Payload_Digest": spell("sha1", b"of something else", 32)}
    records = [
        make_record(1, b"", kind="revisit", **wrong),
        make_record(2, page(2), WARC_Segment_Number="1", **wrong),
        make_record(3, page(3), WARC_Block_Digest="xxh3:abc", WARC_Payload_Digest="nonsense"),
        make_record(4, page(4)),
        make_record(5, b"text", kind="resource", content_type="text/plain", **wrong),
    ]
    report = check(tmp_path / "x.warc", b"".join(records))
    assert (report.num_unchecked, report.num_unknown, report.num_absent, report.num_mismatches) == (2, 2, 1, 1)


@pytest.mark.parametrize("held_bytes", [16 << 20, 10])
def test_a_chunked_body_may_be_digested_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_bytes: int
) -> None:
    monkeypatch.setattr("pipeline.readers.digests._HELD_BYTES", held_bytes)
    plain = page(1)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(plain), plain)
    http = "Content-Type: text/html\r\nTransfer-Encoding: chunked"
    records = [
        make_record(n, chunked, http=http, WARC_Payload_Digest=spell("sha1", body, 32))
        for n, body in enumerate((chunked, plain, b"neither"))
    ]
    report = check(tmp_path / "x.warc", b"".join(records))
    counts = report.num_verified, report.num_unchecked, report.num_mismatches
    assert counts == ((2, 0, 1) if held_bytes > 10 else (1, 2, 0))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_large_blocks_are_hashed_as_they_come(tmp_path: Path, pack, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("pipeline.readers.digests._HELD_BYTES", 1 << 18)
    body = bytes(range(256)) * (16 << 12)
    records = [
        digested(1, body, "sha256"),
        digested(2, page(2)),
        digested(3, body).replace(b"\x07\x08", b"\x08\x07", 1),
    ]
    path = tmp_path / "x.warc"
    path.write_bytes(b"".join(pack(record) for record in records))
    del records
    tracemalloc.start()
    report = check_warc_digests(str(path))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.num_records, report.num_verified, report.num_mismatches, report.num_damaged) == (3, 4, 2, 0)
    assert most < len(body) // 2
    path.write_bytes(pack(digested(1, body))[: -(1 << 10)])
    assert check_warc_digests(str(path)).num_damaged >= 1


def test_damage_is_told(tmp_path: Path) -> None:
    members = [gzip.compress(digested(number, page(number))) for number in range(5)]
    broken = bytearray(members[2])
    broken[len(broken) // 2] ^= 0xFF
    report = check(tmp_path / "x.warc.gz", b"".join([*members[:2], bytes(broken), *members[3:]]))
    assert (report.num_verified, report.num_damaged, report.is_sound) == (8, 1, False)
    assert report.damaged[0].startswith(f"at byte {len(members[0]) + len(members[1])}: ")
    assert check(tmp_path / "x.warc", b"no WARC at all").num_damaged == 1
    with pytest.raises(UserError, match="no such file"):
        check_warc_digests(str(tmp_path / "none"))


@pytest.mark.parametrize("held_bytes", [16 << 20, 300])
@pytest.mark.parametrize("name", ["webrecorder_warcio/example.warc.gz", "allenai_dolma/sample-0000.warc.gz", "plain"])
def test_mutated_files_never_crash_and_are_never_all_sound(
    shared_data: Path, tmp_path: Path, name: str, held_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.readers.digests._HELD_BYTES", held_bytes)
    made = b"".join(digested(number, page(number)) for number in range(20))
    original = made if name == "plain" else (shared_data / "warc" / name).read_bytes()
    path = tmp_path / "x.warc"
    whole = check(path, original)
    assert whole.is_sound

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(CHANGES)
    def run(changes: list[tuple[str, int, int]]) -> None:
        data = mutate(original, changes)
        report = check(path, data)
        counted = report.num_verified + report.num_unknown + report.num_unchecked + report.num_mismatches
        assert counted + report.num_absent <= 2 * report.num_records
        if data != original and name != "plain":
            # gzip's checksum is over every byte; what was cut off between members leaves fewer records.
            assert not report.is_sound or report.num_records < whole.num_records or report == whole

    run()
