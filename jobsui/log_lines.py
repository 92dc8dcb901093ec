"""Lines of the log."""

import logging

CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class LineFormatter(logging.Formatter):
    """Writes control characters of messages as escapes, so that no address or file name can
    add a line that looks like one of ours, or change the terminal. Tracebacks stay as they
    are: lines of theirs never begin like a message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = record.message.translate(CONTROLS)
        return super().formatMessage(record)
