"""The encoding of a file: certain, or proposed with cells that show the difference."""

import io
from collections import Counter

import pytest

from jobsui.files.dialect import DELIMITERS
from jobsui.files.encoding import ENCODINGS, UTF8, named
from jobsui.files.encoding_detection import find, question
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Layout
from jobsui.files.table import detect
from tests.files.corpus.encodings import LANGUAGES, Sample, samples
from tests.files.tables import read_table

HEAD_BYTES = 1 << 16
SAMPLES = list(samples())


def proposed(content: bytes) -> list[str]:
    found = find(io.BytesIO(content), content[:HEAD_BYTES])
    return [proposal.encoding for proposal in found.proposals]


def is_right(sample: Sample, encoding: str) -> bool:
    return sample.content.decode(encoding, "replace") == sample.text


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
def test_right_encoding_is_proposed_first(is_sparse: bool) -> None:
    chosen = [sample for sample in SAMPLES if sample.is_sparse == is_sparse]
    ranks: Counter[int] = Counter()
    for sample in chosen:
        found = [is_right(sample, name) for name in proposed(sample.content)]
        ranks[found.index(True) + 1 if True in found else 0] += 1

    assert ranks[1] >= 0.95 * len(chosen)
    assert ranks[0] <= 0.01 * len(chosen)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a,b\n1,ä\n".encode(), UTF8),
        ("a,b\n1,ä\n".encode("utf-8-sig"), UTF8),
        ("a,b\n1,ä\n".encode("utf-16"), "utf-16"),
        ("a,b\n1,ä\n".encode("utf-16-le"), "utf-16-le"),
        ("a,b\r\n1,漢\r\n".encode("utf-16-be"), "utf-16-be"),
        ("name".encode("utf-16-be"), "utf-16-be"),
        (b"ab\n\x00cd\nef\n", UTF8),
        (b"a,b\n" + b"1,x\n" * 400_000 + "2,ä\n".encode(), UTF8),
        (("a,b\n" + "1,ä\n2,ö\n3,漢\n4,é\n").encode() + b"5,\xe4\n", UTF8),
    ],
    ids=range(9),
)
def test_unicode_is_certain(content: bytes, encoding: str) -> None:
    found = find(io.BytesIO(content), content[:HEAD_BYTES])

    assert found.encoding == encoding
    assert found.proposals == ()


def test_unicode_without_a_mark_is_read() -> None:
    content = "id;name\r\n1;Žluť\r\n".encode("utf-16-le")

    layout = detect(io.BytesIO(content), "rows.csv").layout

    assert layout.encoding == "utf-16-le"
    assert layout.delimiter == ";"


def test_question_shows_cells_that_differ_with_their_rows() -> None:
    content = 'id,note\n1,"x\ny"\n2,Café Zürich\n'.encode("mac-roman")

    sentence = question(find(io.BytesIO(content), content).proposals)

    assert "as Mac Roman it has “Café Zürich” (row 3)" in sentence


def test_cell_behind_a_megabyte_of_ascii_is_found_with_its_row() -> None:
    content = b"id\r\n" + b"1\r\n" * 500_000 + "Müller\r\n".encode("cp1252")

    found = find(io.BytesIO(content), content[:HEAD_BYTES])

    assert found.proposals[0].encoding == "cp1252"
    assert found.proposals[0].samples == ((500_002, "Müller"),)


@pytest.mark.parametrize(
    ("content", "beginning"),
    [
        (b"name\n\x1b$B5t@.\x1b(B\n", "The file is in an ISO-2022 encoding"),
        (bytes(range(256)) * 8, "This is not a text file"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, beginning: str) -> None:
    with pytest.raises(FileRefused, match=beginning):
        find(io.BytesIO(content), content)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("utf-8", UTF8),
        ("UTF8", UTF8),
        ("windows-1251", "cp1251"),
        ("cp1251", "cp1251"),
        ("latin1", "iso-8859-1"),
        ("ISO-8859-9", "iso-8859-9"),
        ("macintosh", "mac-roman"),
        ("gbk", "gb18030"),
        ("euc-kr", "cp949"),
        ("iso-2022-jp", ""),
        ("rot13", ""),
        ("klingon", ""),
    ],
)
def test_encodings_have_their_usual_names(name: str, encoding: str) -> None:
    assert named(name) == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_can_be_chosen(encoding: str) -> None:
    stream = io.BytesIO("id,name\n1,x\n".encode(encoding))
    found = detect(stream, "rows.csv", Layout(encoding=encoding))

    table = read_table(stream, found.layout)

    assert table.rows == [(2, ["1", "x"])]


@pytest.mark.parametrize("delimiter", sorted(DELIMITERS))
@pytest.mark.parametrize(
    ("language", "encoding"),
    [("Danish", "cp1252"), ("Russian", "koi8-r"), ("Taiwanese", "big5")],
)
def test_encoding_is_proposed_whatever_the_delimiter(
    language: str, encoding: str, delimiter: str
) -> None:
    words = LANGUAGES[language].split(", ")
    lines = [["id", "name"], *([f"A-{n}", word] for n, word in enumerate(words))]
    text = "\r\n".join(delimiter.join(line) for line in lines)

    found = detect(io.BytesIO(text.encode(encoding)), "rows.csv")

    first = found.proposals[0].encoding
    assert text.encode(encoding).decode(first) == text
