"""The texts of messages. They have names and numbers, and no values of rows."""

from dataclasses import dataclass

from django.conf import settings

from jobsui.notifications.models import Kind, Notification
from jobsui.text import counted


@dataclass(frozen=True, slots=True)
class Message:
    title: str
    """One line."""
    lines: tuple[str, ...]
    link: str
    """The address of a page; its path alone if the server's own address is not known."""

    @property
    def text(self) -> str:
        return "\n".join((self.title, *self.lines, self.link))


def message(notification: Notification) -> Message:
    connection = notification.connection
    where = (f"Connection: {connection}",) if connection else ()
    title = _one_line(f"{_title(notification)}: {notification.subject}")
    lines = tuple(_one_line(line) for line in (*_lines(notification), *where))
    return Message(title, lines, f"{settings.PUBLIC_URL}{notification.path}")


def _title(notification: Notification) -> str:
    facts = notification.facts
    match notification.kind:
        case Kind.JOB_FINISHED if facts["failed"]:
            percent = _percent(notification.failed_percent)
            return f"Job finished, {percent} of its rows failed"
        case Kind.CONNECTION_BROKEN:
            return "Connection does not work"
        case _:
            return notification.get_kind_display()


def _lines(notification: Notification) -> tuple[str, ...]:
    facts = notification.facts
    match notification.kind:
        case Kind.JOB_FINISHED:
            rows = counted(facts["rows"], "row")
            return (
                f"{facts['succeeded']:,} of {rows} succeeded, "
                f"{facts['failed']:,} failed.",
            )
        case Kind.DECISION_NEEDED if facts["rows"]:
            rows = counted(facts["rows"], "row")
            return (
                f"Jobs UI could not confirm whether {rows} "
                f"{'was' if facts['rows'] == 1 else 'were'} saved.",
            )
        case Kind.DECISION_NEEDED:
            return ("The first batch has finished. The other rows wait for approval.",)
        case Kind.APPROVAL_GIVEN | Kind.APPROVAL_REJECTED:
            return (facts["comment"],) if facts["comment"] else ()
        case Kind.APPROVAL_VOIDED:
            return (f"The job was changed: {facts['changed']}.",)
        case Kind.TEST:
            return ("This channel works.",)
        case _:
            return (facts["reason"],) if facts.get("reason") else ()


def _percent(share: float) -> str:
    return "less than 1 %" if share < 1 else f"{int(share)} %"


def _one_line(text: str) -> str:
    """Without control characters, which could add headers to a mail or forge lines."""
    return "".join(character if character.isprintable() else " " for character in text)
