"""Awkward and hostile files. `FILES` has all of them by what is wrong with them."""

from tests.files.corpus.hostile import archives, delimited, json_texts, workbooks
from tests.files.corpus.hostile.file import File

FILES: dict[str, File] = {
    **archives.FILES,
    **workbooks.FILES,
    **delimited.FILES,
    **json_texts.FILES,
}
