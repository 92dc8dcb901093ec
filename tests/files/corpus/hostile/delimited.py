"""Delimited text, and what is taken for it."""

import random
from collections.abc import Callable

from jobsui.files.layout import Layout
from tests.files.corpus.hostile.file import File

HEADER = b"external_id,name\n"
ROW = b"A-1,Drill\n"
CSV = HEADER + ROW + b"A-2,Saw\n"
GREEN = "external_id,name\nA-1,Grün\nA-2,Größe\n"
RUSSIAN = "external_id,name\nA-1,Дрель ударная\nA-2,Пила дисковая\n"
JAPANESE = "external_id,name\nA-1,電動ドリル\nA-2,丸のこ\n"


def made(content: bytes) -> File:
    return File("rows.csv", lambda: content)


def lazy(make: Callable[[], bytes], chosen: Layout | None = None) -> File:
    return File("rows.csv", make, chosen or Layout())


def wide(columns: int) -> bytes:
    names = ",".join(f"c{index}" for index in range(columns))
    cells = ",".join("x" for _ in range(columns))
    return f"{names}\n{cells}\n".encode()


def noise() -> bytes:
    return random.Random(5).randbytes(100_000)


def changing_widths() -> bytes:
    lines = (",".join("x" * (number % 7 + 1)) for number in range(100_000))
    return HEADER + "\n".join(lines).encode()


def numbered(row: int, line: bytes, count: int = 400) -> bytes:
    """Rows of which one is replaced."""
    lines = [b"A-%d,Drill" % number for number in range(2, count + 2)]
    lines[row - 2] = line
    return HEADER + b"\n".join(lines) + b"\n"


def invoice() -> bytes:
    return (
        b"Inventory of March\n\nexternal_id,name,price\nA-1,Drill,5\nA-2,Saw,6\n\n"
        b"Total,,11\n"
    )


FILES = {
    "csv": made(CSV),
    "empty file": made(b""),
    "blanks only": made(b" \n\t\r\n  "),
    "byte order mark only": made(b"\xef\xbb\xbf"),
    "header only": made(HEADER),
    "header without a line end": made(HEADER[:-1]),
    "one cell": made(b"x"),
    "commas only": made(b",,,\n" * 5),
    "quotes only": lazy(lambda: b'"' * 1_000_001),
    "zero bytes": made(bytes(5000)),
    "zero byte in a cell": made(HEADER + b"A-1,Dr\0ill\n"),
    "noise": lazy(noise),
    "picture": made(b"\x89PNG\r\n\x1a\n" + bytes(50)),
    "PDF": made(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    "program": made(b"\x7fELF\x02\x01\x01" + bytes(200)),
    "database": made(b"SQLite format 3\0" + bytes(100)),
    "Parquet": made(b"PAR1" + bytes(100)),
    "web page": made(b"<!DOCTYPE html><html><table><tr><td>1</td></tr></table>"),
    "XML": made(b'<?xml version="1.0"?><rows><row/></rows>'),
    "Markdown": made(b"| id | name |\n|----|------|\n| A-1 | Drill |\n"),
    "SQL": made(
        b"INSERT INTO a VALUES (1, 'Drill');\nINSERT INTO a VALUES (2, 'S');\n"
    ),
    "log": made(b"2026-01-01 10:00:00 INFO started\n2026-01-01 10:00:01 INFO ended\n"),
    "one column": made(b"external_id\nA-1\nA-2\n"),
    "cell of 10 MB": lazy(lambda: numbered(5, b"A-5," + b"x" * 10_000_000)),
    "quoted cell of 10 MB": lazy(
        lambda: numbered(5, b'A-5,"' + b"x\n" * 5_000_000 + b'"')
    ),
    "record of 100 MB": lazy(lambda: numbered(5, b"A-5," + b"x," * 50_000_000)),
    "line of 100 MB": lazy(lambda: b"x" * 100_000_000),
    "name of 1 MB": lazy(lambda: b"x" * 1_000_000 + b",name\nA-1,Drill\n"),
    "20,000 columns": lazy(lambda: wide(20_000)),
    "1,001 columns": lazy(lambda: wide(1_001)),
    "1,000 columns": lazy(lambda: wide(1_000)),
    "one row of 20,000 cells": lazy(lambda: numbered(5, b"x," * 20_000)),
    "another width each row": lazy(changing_widths),
    "stray quote": lazy(lambda: numbered(5, b'A-5,5" pipe')),
    "quote without an end": lazy(lambda: numbered(5, b'A-5,"Drill')),
    "text behind a quote": lazy(lambda: numbered(5, b'A-5,"Drill" new')),
    "quote without an end, 100 MB": lazy(
        lambda: HEADER + b'A-1,"Drill\n' + b"A-2,Saw\n" * 12_500_000
    ),
    "cut in a quoted cell": lazy(lambda: numbered(401, b'A-401,"Dri')[:-1]),
    "cut in a letter": made(GREEN.encode()[:24]),
    "long row": lazy(lambda: numbered(5, b"A-5,Drill,red")),
    "short row": lazy(lambda: numbered(5, b"A-5")),
    "trailing delimiters": made(b"external_id,name,\nA-1,Drill,\nA-2,Saw,\n"),
    "blank rows between": made(HEADER + b"\n\nA-1,Drill\n\n,\nA-2,Saw\n\n\n"),
    "mixed line ends": made(b"external_id,name\r\nA-1,Drill\nA-2,Saw\rA-3,Nail\r\n"),
    "CR alone": made(CSV.replace(b"\n", b"\r")),
    "LF and CR": made(CSV.replace(b"\n", b"\n\r")),
    "CR CR LF": made(CSV.replace(b"\n", b"\r\r\n")),
    "stray CR in a cell": lazy(lambda: numbered(5, b"A-5,Dri\rll")),
    "line separators": made(HEADER + "A-1,Dr\u2028ill\nA-2,S\x0baw\x0c\n".encode()),
    "UTF-8 with mark": made(b"\xef\xbb\xbf" + CSV),
    "two marks": made(b"\xef\xbb\xbf" * 2 + CSV),
    "mark in the middle": made(HEADER + b"\xef\xbb\xbfA-1,Drill\n"),
    "UTF-16 with mark": made(GREEN.encode("utf-16")),
    "UTF-16 BE with mark": made(b"\xfe\xff" + GREEN.encode("utf-16-be")),
    "UTF-16 without mark": made(GREEN.encode("utf-16-le")),
    "UTF-16 BE without mark": made(GREEN.encode("utf-16-be")),
    "UTF-16 that ends in the middle": made(GREEN.encode("utf-16")[:-1]),
    "UTF-16 with half a pair": made(
        (HEADER.decode() + "A-1,Drill \ud83d\nA-2,Saw\n").encode(
            "utf-16", "surrogatepass"
        )
    ),
    "UTF-32": made(GREEN.encode("utf-32")),
    "half a pair in UTF-8": lazy(lambda: numbered(5, b"A-5,\xed\xa0\xbd")),
    "overlong UTF-8": lazy(lambda: numbered(5, b"A-5,\xc0\xaf")),
    "one byte that is not UTF-8": lazy(
        lambda: numbered(300, b"A-300,Dr\xffll") + (GREEN + RUSSIAN + JAPANESE).encode()
    ),
    "Windows-1252": made(GREEN.encode("cp1252")),
    "Windows-1251": made(RUSSIAN.encode("cp1251")),
    "Shift-JIS": made(JAPANESE.encode("shift-jis")),
    "ISO-2022-JP": made(JAPANESE.encode("iso2022_jp")),
    "EBCDIC": made(CSV.decode().encode("cp037")),
    "a wrong choice of encoding": lazy(
        lambda: GREEN.encode("cp1252"), Layout(encoding="utf-8-sig")
    ),
    "names twice": made(b"id,name,name\nA-1,Drill,Saw\n"),
    "names that are blank": made(b"id,,\nA-1,Drill,Saw\n"),
    "name with a line end": made(b'id,"na\nme"\nA-1,Drill\n'),
    "numbers as names": made(b"1,2\n3,4\n5,6\n"),
    "title lines": lazy(invoice),
    "sep=": made(b"sep=;\nexternal_id;name\nA-1;Drill\n"),
    "comments": made(b"# exported\n# by a program\n" + CSV),
    "caret": made(CSV.replace(b",", b"^")),
    "unit separator": made(CSV.replace(b",", b"\x1f")),
    "two delimiters": made(b"a;b,c\n1;2,3\n4;5,6\n"),
    "backslash escapes": made(
        HEADER + b'A-1,"5\\" pipe, long"\nA-2,"6\\" pipe, short"\nA-3,"x"\n'
    ),
    "quotes that mean nothing": made(
        b'id\tname\tnote\nA-1\t5" pipe\tx\nA-2\t"Drill\ty\nA-3\t6" pipe"\tz\n'
    ),
    "apostrophes as quotes": made(b"id,name\n'A-1','Drill, red'\n'A-2','Saw, blue'\n"),
    "formulas": made(HEADER + b"=cmd|'/c calc'!A0,@SUM(1)\n+1,-1\n"),
    'Excel\'s ="001"': made(HEADER + b'="001",Drill\n="002",Saw\n'),
    "invisible characters": made(HEADER + "A\u200b-1,Dr\u00adill\n".encode()),
    "results of a job": made(
        b"external_id,name,_row,_outcome,_record_id,_error_code,_error\n'=A-1,Drill,2,failed,,x,no\n"
    ),
    "a delimiter that was chosen": lazy(lambda: CSV, Layout(delimiter="|")),
    "a header row behind the end": lazy(lambda: CSV, Layout(header_row=99)),
}
