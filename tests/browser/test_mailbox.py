"""The local mailbox in a browser."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from itertools import product

import pytest
from starlette.applications import Starlette

from devhost.monitoring.local_monitoring import LocalMonitoring
from tests.browser.conftest import Visit
from tests.browser.screens import FONTS, SCREENS, overflowing
from tests.browser.server import serving

LONG = "urn:buzzguard:" + "unbroken" * 20


@pytest.fixture(scope="module")
def mailbox() -> Iterator[str]:
    """Serve a mailbox whose mail has the longest words; yield its address."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"{LONG}@example.org", "ops@example.org", LONG
    message.set_content(f"One prediction: {LONG}")
    message.add_attachment(b"{}", maintype="application", subtype="json", filename=f"{LONG}.json")
    with LocalMonitoring() as monitoring, serving(Starlette(routes=monitoring.mailbox_routes)) as address:
        with smtplib.SMTP(*monitoring.smtp) as server:
            server.send_message(message)
        yield address


@pytest.mark.parametrize("path", ["/mailbox", "/mailbox/1"])
def test_nothing_is_wider_than_the_screen(visit: Visit, mailbox: str, path: str) -> None:
    visitor = visit(address=mailbox)
    visitor.page.goto(path)
    for screen, font in product(SCREENS, FONTS):
        assert overflowing(visitor.page, SCREENS[screen], font) == [], (screen, font)
