"""Archives that are damaged, that hide something, or that unpack to much more."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial

from tests.files.corpus.hostile.file import File
from tests.files.corpus.workbooks import book_of, texts

CSV = b"external_id,name\nA-1,Drill\nA-2,Saw\n"
LOCAL = b"PK\x03\x04"
CENTRAL = b"PK\x01\x02"


def zipped(
    *members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as written:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            written.writestr(info, content)
    return out.getvalue()


def patched(archive: bytes, local: int, central: int, form: str, value: int) -> bytes:
    """With a field of all headers changed. `local` and `central`: where it is."""
    content = bytearray(archive)
    for signature, offset in ((LOCAL, local), (CENTRAL, central)):
        place = content.find(signature)
        while place >= 0:
            struct.pack_into(form, content, place + offset, value)
            place = content.find(signature, place + 4)
    return bytes(content)


def with_password() -> bytes:
    return patched(zipped(("rows.csv", CSV)), 6, 8, "<H", 1)


def lying_size() -> bytes:
    return patched(zipped(("rows.csv", CSV)), 22, 24, "<I", 1 << 30)


def wrong_checksum() -> bytes:
    return patched(zipped(("rows.csv", CSV)), 14, 16, "<I", 0)


def unknown_compression() -> bytes:
    return patched(zipped(("rows.csv", CSV)), 8, 10, "<H", 99)


def bomb(member: bytes) -> bytes:
    """Repeated members: gzip reads them as one content."""
    return gzip.compress(member, 9) * 256


def zip_bomb() -> bytes:
    return zipped(("rows.csv", bytes(200 << 20)))


def tar(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as written:
        info = tarfile.TarInfo("rows.csv")
        info.size = len(content)
        written.addfile(info, io.BytesIO(content))
    return out.getvalue()


def link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as written:
        info = zipfile.ZipInfo("rows.csv")
        info.create_system = 3
        info.external_attr = 0o120777 << 16
        written.writestr(info, "/etc/passwd")
    return out.getvalue()


def many_files() -> bytes:
    return zipped(*((f"{number}.csv", CSV) for number in range(10_000)))


def nested(depth: int) -> bytes:
    content = CSV
    for _ in range(depth):
        content = gzip.compress(content)
    return content


def self_made_gzip(content: bytes, *, name: bytes) -> bytes:
    """With a name of the original file in its header."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packed.compress(content) + packed.flush()
    tail = struct.pack("<II", zlib.crc32(content), len(content))
    return b"\x1f\x8b\x08\x08" + bytes(6) + name + b"\0" + body + tail


def workbook() -> bytes:
    return book_of(texts("external_id"), texts("A-1")).content()


def magic(head: bytes) -> Callable[[], bytes]:
    return lambda: head + bytes(100)


FILES = {
    "gz": File("rows.csv.gz", lambda: gzip.compress(CSV)),
    "gz under another name": File("rows.csv", lambda: gzip.compress(CSV)),
    "gz in two members": File(
        "rows.csv.gz", lambda: gzip.compress(CSV[:20]) + gzip.compress(CSV[20:])
    ),
    "gz with the name of its content": File(
        "rows.gz", lambda: self_made_gzip(CSV, name=b"../../etc/rows.csv")
    ),
    "gz of nothing": File("rows.csv.gz", lambda: gzip.compress(b"")),
    "gz that ends in the middle": File("rows.csv.gz", lambda: gzip.compress(CSV)[:30]),
    "gz without its last byte": File("rows.csv.gz", lambda: gzip.compress(CSV)[:-1]),
    "gz with something behind it": File(
        "rows.csv.gz", lambda: gzip.compress(CSV) + b"behind"
    ),
    "gz with a changed byte": File(
        "rows.csv.gz", lambda: gzip.compress(CSV * 9)[:-9] + bytes(9)
    ),
    "gz header only": File("rows.csv.gz", lambda: b"\x1f\x8b"),
    "gz bomb": File("rows.csv.gz", partial(bomb, bytes(1 << 20))),
    "gz bomb of rows": File("rows.csv.gz", partial(bomb, b"1,2\n" * (1 << 18))),
    "gz in gz": File("rows.csv.gz.gz", partial(nested, 2)),
    "gz in gz, twenty deep": File("rows.csv.gz", partial(nested, 20)),
    "zip in gz": File("rows.gz", lambda: gzip.compress(zipped(("rows.csv", CSV)))),
    "tar in gz": File("rows.tar.gz", lambda: gzip.compress(tar(CSV))),
    "workbook in gz": File("rows.xlsx.gz", lambda: gzip.compress(workbook())),
    "zip": File("rows.zip", lambda: zipped(("rows.csv", CSV))),
    "zip in a folder": File("rows.zip", lambda: zipped(("a/b/rows.csv", CSV))),
    "zip of a Mac": File(
        "rows.zip", lambda: zipped(("rows.csv", CSV), ("__MACOSX/._rows.csv", b"\0"))
    ),
    "zip that leaves its folder": File(
        "rows.zip", lambda: zipped(("../../etc/passwd", CSV))
    ),
    "zip with an absolute name": File(
        "rows.zip", lambda: zipped(("/etc/cron.d/rows", CSV))
    ),
    "zip with a link": File("rows.zip", link),
    "zip without files": File("rows.zip", zipped),
    "zip with a folder only": File("rows.zip", lambda: zipped(("folder/", b""))),
    "zip of nothing": File("rows.zip", lambda: zipped(("rows.csv", b""))),
    "zip of two": File("rows.zip", lambda: zipped(("a.csv", CSV), ("b.csv", CSV))),
    "zip of 10,000": File("rows.zip", many_files),
    "zip in zip": File(
        "rows.zip", lambda: zipped(("inner.zip", zipped(("rows.csv", CSV))))
    ),
    "gz in zip": File("rows.zip", lambda: zipped(("a.gz", gzip.compress(CSV)))),
    "workbook in zip": File("rows.zip", lambda: zipped(("rows.xlsx", workbook()))),
    "zip bomb": File("rows.zip", zip_bomb),
    "zip with a password": File("rows.zip", with_password),
    "zip whose size is a lie": File("rows.zip", lying_size),
    "zip with a wrong checksum": File("rows.zip", wrong_checksum),
    "zip with an unknown compression": File("rows.zip", unknown_compression),
    "zip by LZMA": File(
        "rows.zip", lambda: zipped(("rows.csv", CSV), compression=zipfile.ZIP_LZMA)
    ),
    "zip that ends in the middle": File(
        "rows.zip", lambda: zipped(("rows.csv", CSV))[:60]
    ),
    "zip behind something": File(
        "rows.zip", lambda: b"#!/bin/sh\n" + zipped(("rows.csv", CSV))
    ),
    "tar": File("rows.tar", lambda: tar(CSV)),
    "bzip2": File("rows.csv.bz2", magic(b"BZh91AY&SY")),
    "xz": File("rows.csv.xz", magic(b"\xfd7zXZ\0")),
    "zstd": File("rows.csv.zst", magic(b"\x28\xb5\x2f\xfd")),
    "7z": File("rows.7z", magic(b"7z\xbc\xaf\x27\x1c")),
    "rar": File("rows.rar", magic(b"Rar!\x1a\x07\x01\0")),
}
