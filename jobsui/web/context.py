from django.http import HttpRequest

from jobsui.web.addresses import page_of_request


def page_address(request: HttpRequest) -> dict[str, str]:
    """For a page that answers a form: the address under which it can be opened again
    (static/js/history.js)."""
    if request.method != "POST":
        return {}
    return {"page_address": page_of_request(request)}
