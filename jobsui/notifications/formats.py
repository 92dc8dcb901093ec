"""What each kind of webhook receives."""

import hashlib
import hmac
import json
import re
from typing import Any
from uuid import UUID

from jobsui.notifications.messages import Message
from jobsui.notifications.models import Notification

ACTIVE = re.compile(r"([\[\]*~`@])")
"""Where Slack, or what is compatible with it, sees formatting, a link or a mention."""
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


def slack(message: Message) -> dict[str, Any]:
    """Only `text`: what is compatible with Slack has no blocks."""
    texts = "\n".join(map(_slack_text, (message.title, *message.lines)))
    return {"text": f"{texts}\n{message.link}", "mrkdwn": False}


def teams(message: Message) -> dict[str, Any]:
    """An adaptive card, for a workflow that starts when Teams receives a webhook request. A
    text block would read Markdown, the runs of a rich text block do not."""
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _rich_text(message.title, weight="Bolder"),
            *(_rich_text(line) for line in message.lines),
        ],
    }
    if message.link.startswith("https://"):
        open_page = {"type": "Action.OpenUrl", "title": "Open", "url": message.link}
        card["actions"] = [open_page]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def webhook(notification: Notification, message: Message) -> dict[str, Any]:
    connection = notification.connection
    return {
        "kind": notification.kind,
        "at": notification.at.isoformat(),
        "connection": str(connection.code) if connection else None,
        "subject": notification.subject,
        "facts": notification.facts,
        "text": message.text,
        "url": message.link,
    }


def encoded(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def signed_headers(
    body: bytes, *, secret: str, timestamp: int, code: UUID
) -> dict[str, str]:
    """With HMAC-SHA-256 over the message's ID, the timestamp and the body, joined by
    points."""
    signed = f"{code}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"Jobsui-Timestamp": str(timestamp), "Jobsui-Signature": f"v1={digest}"}


def _slack_text(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return ACTIVE.sub(rf"\1{ZERO_WIDTH_SPACE}", escaped)


def _rich_text(text: str, **style: str) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text, **style}
    return {"type": "RichTextBlock", "inlines": [run]}
