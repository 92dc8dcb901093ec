"""The content of an upload: the file itself, or the only file in a .gz or .zip, which is
recognized by its content."""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from jobsui.files.errors import FileRefused

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
HEAD_BYTES = 512
CHUNK_BYTES = 1 << 20
MAX_BYTES = 4 << 30
MIN_BOMB_BYTES = 100 << 20
MAX_RATIO = 200
"""Content above MIN_BOMB_BYTES that is more times as large as its archive is no table."""
MAX_NAMED = 3
HIDDEN = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")
"""What operating systems add to archives."""
OFFICE_PARTS = ("[content_types].xml", "mimetype", "_rels/.rels")
"""A workbook is a zip archive that has one of these."""
ARCHIVES = (GZIP, ZIP, b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"Rar!")
TAR = b"ustar"
DAMAGED = (
    "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
)
NESTED = "The archive contains another archive. Unpack it, and upload the file."
UNPACK_ERRORS = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    NotImplementedError,
    UnicodeDecodeError,
    ValueError,
    OverflowError,
)


@contextmanager
def content(stream: BinaryIO, name: str) -> Iterator[tuple[BinaryIO, str]]:
    """A seekable stream of the content and its name, for as long as the block lasts.
    Raises FileRefused for an archive that has not exactly one file."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if head.startswith(GZIP):
        with gzip.GzipFile(fileobj=stream) as packed, _temporary() as unpacked:
            _unpack(cast(IO[bytes], packed), unpacked, _size(stream))
            yield unpacked, _name_inside(name)
        return
    member = _only_member(stream) if head.startswith(ZIP) else None
    if member is None:
        stream.seek(0)
        yield stream, name
        return
    with _temporary() as unpacked:
        _unpack_member(stream, member, unpacked)
        yield unpacked, member.filename.rpartition("/")[2]


@contextmanager
def _temporary() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield cast(BinaryIO, file)


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _name_inside(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _only_member(stream: BinaryIO) -> zipfile.ZipInfo | None:
    """None for a workbook, and for what is no readable zip archive."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
    except UNPACK_ERRORS:
        # Its format says what is wrong with it: it may be a workbook, too.
        return None
    names = [info.filename.replace("\\", "/").lower().lstrip("/") for info in members]
    if any(name in OFFICE_PARTS or name.endswith(".rels") for name in names):
        return None
    files = [
        info
        for info, name in zip(members, names, strict=True)
        if not name.startswith(HIDDEN) and not name.endswith(HIDDEN)
    ]
    if not files:
        raise FileRefused("The archive has no files.")
    if len(files) > 1:
        shown = ", ".join(info.filename for info in files[:MAX_NAMED])
        more = "…" if len(files) > MAX_NAMED else ""
        raise FileRefused(
            f"The archive has {len(files):,} files: {shown}{more}. Upload one of them."
        )
    return files[0]


def _unpack_member(
    stream: BinaryIO, member: zipfile.ZipInfo, unpacked: BinaryIO
) -> None:
    if member.flag_bits & 1:
        raise FileRefused(
            "The archive has a password. Upload the file without one, or unpacked."
        )
    try:
        with zipfile.ZipFile(stream) as archive, archive.open(member) as packed:
            _unpack(packed, unpacked, member.compress_size)
    except UNPACK_ERRORS:
        raise FileRefused(DAMAGED) from None


def _unpack(packed: IO[bytes], unpacked: BinaryIO, packed_bytes: int) -> None:
    """Raises FileRefused."""
    count = 0
    try:
        while chunk := packed.read(CHUNK_BYTES):
            if not count:
                _refuse_archive(chunk)
            count += len(chunk)
            _refuse_bomb(count, packed_bytes)
            unpacked.write(chunk)
    except UNPACK_ERRORS:
        raise FileRefused(DAMAGED) from None
    unpacked.seek(0)
    if unpacked.read(len(ZIP)) == ZIP and _only_member(unpacked):
        raise FileRefused(NESTED)
    unpacked.seek(0)


def _refuse_archive(head: bytes) -> None:
    is_tar = head[257 : 257 + len(TAR)] == TAR
    # A workbook is a zip archive, too: what it is, is found when it is read.
    is_archive = head.startswith(ARCHIVES) and not head.startswith(ZIP)
    if is_tar or is_archive:
        raise FileRefused(NESTED)


def _refuse_bomb(count: int, packed_bytes: int) -> None:
    is_bomb = count > MIN_BOMB_BYTES and count > MAX_RATIO * packed_bytes
    if count > MAX_BYTES or is_bomb:
        raise FileRefused(
            f"Unpacked, the file has more than {count >> 20:,} MB, which is more than a "
            "table of its size can have. Upload it unpacked or in parts."
        )
