import io
import subprocess
import sys
from pathlib import Path

import pytest

from jobsui.files import formats
from jobsui.files.formats import FORMATS, Format
from jobsui.files.layout import Layout
from jobsui.files.table import detect

ROOT = Path(__file__).parents[2]


def test_formats_have_names_and_extensions_of_their_own() -> None:
    names = [form.name for form in FORMATS]
    extensions = [extension for form in FORMATS for extension in form.extensions]

    assert len(set(names)) == len(names)
    assert len(set(extensions)) == len(extensions)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_format_settings_are_members_of_a_layout(form: Format) -> None:
    assert form.settings <= set(Layout.__slots__)


def test_format_labels_are_listed_in_words() -> None:
    assert formats.LABELS == "CSV, XLSX, XLS, ODS, JSON or JSON Lines"


@pytest.mark.parametrize("document", ["docs/api.md", "docs/commands.md"])
def test_documents_name_every_format(document: str) -> None:
    text = (ROOT / document).read_text()

    assert [form.label for form in FORMATS if form.label not in text] == []


def test_any_text_is_csv_when_no_other_format_recognizes_it() -> None:
    found = detect(io.BytesIO(b"name\nDrill\n"), "rows")

    assert found.layout.format == "csv"


def test_formats_are_imported_without_pyarrow() -> None:
    # Web processes import them, and pyarrow takes 46 MB.
    code = "import sys, jobsui.files.table; sys.exit('pyarrow' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert done.returncode == 0
