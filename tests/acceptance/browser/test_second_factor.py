import re

from playwright.sync_api import Browser, Page, expect

from tests.acceptance.person import PASSWORD
from tests.acceptance.product import Product


def test_passkey_and_recovery_code_open_the_account(
    browser: Browser, product: Product
) -> None:
    """At localhost: browsers offer passkeys neither at an IP address nor over plain http."""
    product.manage(
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME="keyholder",
        DJANGO_SUPERUSER_EMAIL="",
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(f"{said.type}: {said.text}"))
    add_authenticator(page)
    base = re.sub(r"//[^:/]+", "//localhost", product.url)

    enter_password(page, base)
    page.goto(f"{base}/accounts/2fa/webauthn/add/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.locator("h1")).to_have_text("Recovery codes")
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download").click()
    codes = downloaded.value.path().read_text().split()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Laptop")).to_be_visible()

    sign_out(page)
    enter_password(page, base)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("h1")).to_have_text("Home")
    sign_out(page)
    enter_password(page, base)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Home")

    assert [each for each in errors if not each.startswith(("log", "info"))] == []
    context.close()


def add_authenticator(page: Page) -> None:
    """A device with passkeys, as the browser's own tests have it."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def enter_password(page: Page, base: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("Username").fill("keyholder")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")
