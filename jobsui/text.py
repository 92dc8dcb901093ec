def counted(number: int, thing: str) -> str:
    """ "1 row", "12,000 rows"; `thing` is the singular of a word whose plural ends in
    s."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
