SIBILANTS = ("ch", "s", "sh", "x")


def counted(number: int, thing: str) -> str:
    """ "1 row", "12,000 rows", "2 batches"; `thing` is a singular with a regular plural."""
    if number == 1:
        return f"1 {thing}"
    ending = "es" if thing.endswith(SIBILANTS) else "s"
    return f"{number:,} {thing}{ending}"
