"""Reading pages as people see them."""

import re
from html import unescape


def visible(text: str) -> str:
    """The text of a page or a part of it, in one line, without tags and drawings."""
    without_drawings = re.sub(r"<(svg|script|style)\b.*?</\1>", " ", text, flags=re.S)
    without_tags = re.sub(r"<[^>]+>", " ", without_drawings)
    in_one_line = " ".join(unescape(without_tags).split())
    return re.sub(r" ([.,:;])", r"\1", in_one_line)


def buttons(text: str) -> list[str]:
    """What the buttons say."""
    found = re.findall(r"<button\b[^>]*>(.*?)</button>", text, flags=re.S)
    return [visible(inside) for inside in found]


def counters(text: str) -> dict[str, str]:
    """{name: number} of the counters of a job's page."""
    found = re.findall(r"<b[^>]*>([^<]+)</b><span>([^<]+)</span>", text)
    return {name: number for number, name in found}
