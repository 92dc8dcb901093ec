"""The way to another site and back, without the session on the first request."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from jobsui.web import crossing
from jobsui.web.crossing import Crossing, way_back


@way_back
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.GET["code"])


def other(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def answer(
    request: HttpRequest, view: Callable[[HttpRequest], HttpResponse] = page
) -> HttpResponse | None:
    return Crossing(view).process_view(request, view, (), {})


def test_request_without_the_session_is_repeated_from_our_own_site(
    rf: RequestFactory,
) -> None:
    request = rf.get("/back/", {"code": "a;b'\"<&", "state": "s"})

    found = answer(request)

    assert found is not None
    address = (
        "/back/?code=a%3Bb%27%22%3C%26&amp;state=s&amp;arrived=1"  # As HTML writes it.
    )
    refresh = f'<meta http-equiv="refresh" content="0; url={address}">'
    assert [found.status_code, found.text.count(refresh)] == [200, 1]
    assert f'href="{address}"' in found.text
    assert found["Referrer-Policy"] == "no-referrer"
    assert found["Cache-Control"] == "no-store, private"
    assert not found.cookies


def test_request_passes_with_a_session_or_the_second_time(rf: RequestFactory) -> None:
    second = rf.get("/back/", {"code": "a", "arrived": "1"})
    with_session = rf.get("/back/", {"code": "a"})
    with_session.COOKIES[settings.SESSION_COOKIE_NAME] = "some"
    form = rf.post("/back/")

    assert [answer(second), answer(with_session), answer(form)] == [None] * 3
    assert answer(rf.get("/other/"), other) is None


def test_page_that_leaves_opens_the_other_site(rf: RequestFactory) -> None:
    found = crossing.leave(rf.get("/"), "https://a.example/?b=c&d=e", "a.example")

    refresh = 'content="0; url=https://a.example/?b=c&amp;d=e"'
    assert [found.text.count(refresh), found["Referrer-Policy"]] == [1, "no-referrer"]
    assert "Continue to a.example" in found.text
