"""Every page of the product, found by its name in the URLconf."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import APIResponse, Page

VIEWPORTS = {"wide": (1280, 900), "narrow": (390, 844)}
THEMES = ("light", "dark")


@dataclass(frozen=True)
class Address:
    """An address of a named route. `about` says which thing it shows."""

    name: str
    path: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.about}".strip()


@dataclass(frozen=True)
class Known:
    """What an installation holds: {description: id}. Objects, people, tokens
    and saved mappings have numbers, the others codes."""

    connections: Mapping[str, str]
    objects: Mapping[str, str]
    drafts: Mapping[str, str]
    jobs: Mapping[str, str]
    people: Mapping[str, str]
    tokens: Mapping[str, str]
    mappings: Mapping[str, str] = field(default_factory=dict)


def addresses(known: Known) -> Iterator[Address]:
    """Every address that these things give. Not all of them are pages."""
    for name, route in named_routes(get_resolver("jobsui.web.urls")):
        pattern = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
        for about, arguments in _arguments(route, known):
            yield Address(name, "/" + pattern.format(**arguments), about)


def pages(page: Page, url: str, known: Known) -> Iterator[Address]:
    """The addresses that answer a GET with a whole page, rather than with a download, a
    fragment or a redirect."""
    for address in addresses(known):
        answer = page.request.get(url + address.path, max_redirects=0)
        assert answer.status in {200, 204, 302, 400, 404, 405}, (
            f"{address}: {answer.status}"
        )
        if answer.status == 200 and _is_page(answer):
            yield address


def _is_page(answer: APIResponse) -> bool:
    """One that opens another page by itself is none."""
    text = answer.text() if "html" in answer.headers["content-type"] else ""
    return "<html" in text and 'http-equiv="refresh"' not in text


def look(page: Page, url: str, address: Address, *, theme: str, size: str) -> None:
    """Open the page in that theme and size."""
    dress(page, theme=theme, size=size)
    page.goto(url + address.path)


def dress(page: Page, *, theme: str, size: str) -> None:
    width, height = VIEWPORTS[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(
        color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce"
    )


def named_routes(
    resolver: URLResolver, before: str = "", space: str = ""
) -> Iterator[tuple[str, str]]:
    """(name, route) of all routes, such as ("jobs:detail", "jobs/<uuid:code>/")."""
    for entry in resolver.url_patterns:
        route = before + _route(entry)
        if isinstance(entry, URLResolver):
            inner = f"{space}{entry.namespace}:" if entry.namespace else space
            yield from named_routes(entry, route, inner)
        elif entry.name:
            yield f"{space}{entry.name}", route


def last_id(path: str) -> str:
    """The code or number in an address."""
    found: list[str] = re.findall(r"/([0-9a-f-]{36}|\d+)(?=/|$)", path)
    return found[-1]


def _route(entry: URLPattern | URLResolver) -> str:
    """As path() has it. Of a regular expression, without its anchors."""
    return re.sub(r"^\^|\$$|\\Z$", "", str(entry.pattern))


def _arguments(route: str, known: Known) -> Sequence[tuple[str, dict[str, Any]]]:
    """(description of a thing, the route's arguments for it)."""
    if "<" not in route:
        return [("", {})]
    if "(?P<" in route:
        return []  # An address of an e-mail.
    kind = "drafts" if route.startswith("jobs/new/") else route.partition("/")[0]
    things: Mapping[str, str] = getattr(known, kind, {})
    others = {"seq": 1, "status_id": "none", "target": "external_id"}
    return [(about, {"code": key, "pk": key} | others) for about, key in things.items()]
