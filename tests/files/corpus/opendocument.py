"""OpenDocument spreadsheets, written cell by cell."""

import io
import zipfile
from xml.sax.saxutils import escape

NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "style", "draw")
)
CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
MIMETYPE = "application/vnd.oasis.opendocument.spreadsheet"
HIDDEN_STYLE = (
    '<style:style style:name="hidden" style:family="table">'
    '<style:table-properties table:display="false"/></style:style>'
)


def ods(*tables: str, prolog: str = "", manifest: str = "") -> bytes:
    """A spreadsheet of tables."""
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<office:document-content '
        f'{NAMESPACES} xmlns:calcext="{CALC}" office:version="1.3">'
        f"<office:automatic-styles>{HIDDEN_STYLE}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{''.join(tables)}</office:spreadsheet>"
        "</office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MIMETYPE)
        archive.writestr(_member("content.xml"), content)
        archive.writestr(
            _member("META-INF/manifest.xml"), f"<manifest>{manifest}</manifest>"
        )
    return out.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    """Without the time, so that the same tables are the same bytes."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def table(*rows: str, name: str = "Sheet1", style: str = "", columns: str = "") -> str:
    attributes = f' table:style-name="{style}"' if style else ""
    return (
        f'<table:table table:name="{escape(name)}"{attributes}>{columns}'
        f"{''.join(rows)}</table:table>"
    )


def row(*cells: str, count: int = 1, visibility: str = "") -> str:
    attributes = f' table:number-rows-repeated="{count}"' if count > 1 else ""
    if visibility:
        attributes += f' table:visibility="{visibility}"'
    return f"<table:table-row{attributes}>{''.join(cells)}</table:table-row>"


def texts(*values: str) -> str:
    return row(*(cell("string", shown=value) for value in values))


def cell(
    kind: str = "",
    value: str = "",
    *,
    shown: str = "",
    member: str = "value",
    extra: str = "",
) -> str:
    """`member`: of which attribute the value is. `shown` is text, not XML."""
    return raw_cell(
        f'office:value-type="{kind}"' if kind else "",
        f'office:{member}="{value}"' if value else "",
        extra,
        content=f"<text:p>{escape(shown)}</text:p>" if shown else "",
    )


def raw_cell(*attributes: str, content: str = "") -> str:
    return f"<table:table-cell {' '.join(attributes)}>{content}</table:table-cell>"
