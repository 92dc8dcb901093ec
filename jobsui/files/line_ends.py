"""Where the records of delimited text end."""


def last_record_end(data: bytes, quote: str, line_end: str) -> int:
    """Where the last complete record ends if all quotation marks are well formed; 0 if
    the data has no such end. Another record may begin behind it."""
    for end in dict.fromkeys((line_end, "\n", "\r")):
        if position := _last_even_end(data, quote.encode(), end.encode()):
            return position
    return 0


def _last_even_end(data: bytes, quote: bytes, line_end: bytes) -> int:
    stop = len(data)
    quotes = data.count(quote) if quote else 0
    while True:
        if quotes % 2:
            # Inside of a quoted cell, which may have millions of line ends.
            stop = data.rfind(quote, 0, stop)
            quotes -= 1
        start = data.rfind(line_end, 0, stop)
        if start < 0:
            return 0
        if quote:
            quotes -= data.count(quote, start, stop)
        after = start + len(line_end)
        is_half = line_end == b"\r" and data[after : after + 1] in (b"", b"\n")
        if quotes % 2 == 0 and not is_half:
            return after
        stop = start


def end_alike(data: bytes, cells: list[bytes], count: int, line_end: str) -> bool:
    """Whether `count` records are known to end in the same way. `cells` have the line ends
    inside cells."""
    if line_end == "\n":
        return b"\r" not in data
    if line_end == "\r":
        return b"\n" not in data
    return all(
        data.count(sign) - sum(content.count(sign) for content in cells) == count
        for sign in (b"\n", b"\r")
    )


def count_ends(data: bytes, line_end: str) -> int:
    """How many lines end in this way."""
    both = data.count(b"\r\n") if b"\r" in data and b"\n" in data else 0
    if line_end == "\r\n":
        return both
    sign = line_end.encode()
    return data.count(sign) - both if sign in data else 0
