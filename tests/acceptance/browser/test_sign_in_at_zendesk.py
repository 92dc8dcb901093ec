import re
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.acceptance.person import Person
from tests.sandbox_server import Sandbox


def test_person_signs_in_at_another_site_and_comes_back(
    person: Person, zendesk: Sandbox
) -> None:
    """The sandbox is at another host name than the product, so the browser keeps the session
    from the request that comes back."""
    port = urlsplit(zendesk.url).port
    page = person.page
    assert urlsplit(person.product.url).hostname == "127.0.0.1"
    person.open("/connections/add/")
    page.locator("[name=name]").fill("By browser")
    page.locator("[name=host]").fill(f"localhost:{port}")
    page.locator("[name=sign_in]").select_option("oauth_token")
    page.get_by_role("button", name="Save connection").click()

    decisions = []
    addresses = []
    page.on("framenavigated", lambda frame: addresses.append(frame.url))
    for decision in ("Deny", "Allow"):
        page.locator("[name=client_id]").fill("sandbox-client")
        page.get_by_role("button", name="Test and move").click()
        link = page.get_by_role("link", name=decision)
        expect(link).to_be_visible()
        decisions.append(urlsplit(page.url).hostname)
        link.click()
        if decision == "Deny":
            person.sees("Access was denied at Zendesk. Nothing was changed.")
    person.sees("By browser uses the new credentials as Sandbox Admin.")
    back = [each for each in addresses if "/connections/oauth/" in each]
    again = page.request.get(back[-1])

    assert [again.status, "is not known here" in again.text()] == [400, True]
    assert decisions == ["localhost", "localhost"]
    person.open("/connections/credentials/")
    row = page.get_by_role("row").filter(has_text="By browser")
    expect(row).to_contain_text(re.compile("89|90 days left"))
    page.get_by_role("link", name="By browser", exact=True).click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove By browser").click()
    person.sees("By browser and its secrets were removed.")
