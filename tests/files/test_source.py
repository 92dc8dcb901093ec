"""The content of uploads: plain, or the only file in an archive."""

import gzip
import io
import tarfile
import zipfile
import zlib

import pytest

from jobsui.files import source
from jobsui.files.errors import FileRefused

CSV = b"id,name\n1,Drill\n"
CHECKSUM = zlib.crc32(CSV).to_bytes(4, "little")


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            # Without the time, which would be in the names of the tests.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tarred(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("rows.csv")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def encrypted(data: bytes) -> bytes:
    """A zip archive whose flags say that it has a password."""
    content = bytearray(zipped(rows=data))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def read(content: bytes, name: str = "rows.csv") -> tuple[bytes, str]:
    with source.content(io.BytesIO(content), name) as (stream, found):
        return stream.read(), found


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        read(content)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (CSV, "rows.csv", "rows.csv"),
        (packed(CSV), "rows.csv.gz", "rows.csv"),
        (packed(CSV), "rows.bin", "rows.bin"),
        (packed(CSV[:5]) + packed(CSV[5:]), "rows.gz", "rows"),
        (zipped(rows=CSV), "rows.zip", "rows"),
        (zipped(**{"folder/rows": CSV}), "rows.csv", "rows"),
        (zipped(**{"rows": CSV, "__MACOSX/rows": b"x"}), "rows.zip", "rows"),
    ],
)
def test_content_is_the_only_file(content: bytes, name: str, found: str) -> None:
    assert read(content, name) == (CSV, found)


@pytest.mark.parametrize("part", ["mimetype", "_rels/.rels", "[Content_Types].xml"])
def test_workbooks_stay_as_they_are(part: str) -> None:
    content = zipped(**{part: b"x", "other": b"y"})

    assert read(content, "rows.xlsx") == (content, "rows.xlsx")


def test_workbook_in_an_archive_is_its_content() -> None:
    workbook = zipped(**{"[Content_Types].xml": b"x", "other": b"y"})

    assert read(packed(workbook), "rows.xlsx.gz") == (workbook, "rows.xlsx")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            zipped(a=CSV, b=CSV, c=CSV, d=CSV),
            "The archive has 4 files: a, b, c…. Upload one of them.",
        ),
        (zipped(**{"folder/": b""}), "The archive has no files."),
        (
            packed(packed(CSV)),
            "The archive contains another archive. Unpack it, and upload the file.",
        ),
        (
            packed(tarred(CSV)),
            "The archive contains another archive. Unpack it, and upload the file.",
        ),
        (
            encrypted(CSV),
            "The archive has a password. Upload the file without one, or unpacked.",
        ),
        (packed(CSV)[:-6], source.DAMAGED),
        (packed(CSV) + b"garbage", source.DAMAGED),
        (zipped(rows=CSV).replace(CHECKSUM, b"\x00" * 4), source.DAMAGED),
    ],
)
def test_what_is_not_one_file_is_refused(content: bytes, sentence: str) -> None:
    assert refusal(content) == sentence


@pytest.mark.parametrize("form", ["gz", "zip"])
def test_bomb_is_refused_before_it_is_unpacked(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MIN_BOMB_BYTES", 2 << 20)
    bomb = bytes(8 << 20)
    content = packed(bomb) if form == "gz" else zipped(rows=bomb)

    assert refusal(content).startswith("Unpacked, the file has more than 3 MB")
