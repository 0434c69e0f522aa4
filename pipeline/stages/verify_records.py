"""The check of a WARC file's records that a source may ask for (`verify_records`), before the file is taken."""

from __future__ import annotations

from manifests.errors import UserError
from pipeline.mirrors.integrity import Damaged
from pipeline.mirrors.remote import RemoteFile


def check_records(path: str) -> None:
    """Raises `Damaged` that names the first record whose block or payload is not of the digest in its header, or the
    first place where no record can be read."""
    from pipeline.readers.digests import check_warc_digests

    report = check_warc_digests(path)
    more = f" (and {report.num_mismatches - 1:,} more)" if report.num_mismatches > 1 else ""
    if report.mismatches:
        first = report.mismatches[0]
        raise Damaged(f"verify_records: the record at byte {first.offset}: {first.what}{more}")
    if report.damaged:
        raise Damaged(f"verify_records: {report.damaged[0]}")


def check_local_records(file: RemoteFile) -> None:
    """The same for a file that is read in place. Raises `UserError`."""
    try:
        check_records(file.url)
    except Damaged as error:
        raise UserError(f"{file.key}: {error}. Replace the file, or set verify_records = false.") from None
