"""The demo's file: two thousand assets as a company might export them, with a few
mistakes."""

import csv
import io
import random
from collections.abc import Iterator
from datetime import date, timedelta

ROWS = 2000
HEADER = [
    "Asset no",
    "Name",
    "Serial number",
    "Model",
    "Status",
    "Features",
    "Purchased on",
    "Warranty in months",
    "Weight in kg",
    "Price",
    "Insured",
    "Notes",
]
KINDS = (
    ("Laptop", ("ThinkPad T14", "Latitude 7450", "MacBook Air"), "battery;wifi"),
    ("Tablet", ("Surface Go", "Galaxy Tab"), "touch;wifi"),
    ("Drill", ("DDF485", "GSR 18V"), "battery;rugged"),
    ("Scanner", ("DS9308", "Granit 1991"), "rugged"),
    ("Tracker", ("GL300", "TK905"), "gps;battery"),
)
STATUSES = ("In use", "In use", "In use", "In stock", "In repair", "Retired")
MISTAKES: dict[int, tuple[str, str]] = {
    18: ("Purchased on", "03/08/2025"),
    97: ("Status", "broken"),
    212: ("Serial number", "AB-12345"),
    340: ("Price", "1.250,00"),
    341: ("Price", "1.250,00"),
    512: ("Warranty in months", "two years"),
    733: ("Name", ""),
    801: ("Insured", "maybe"),
    1002: ("Purchased on", "31.02.2024"),
    1190: ("Features", "wifi;bluetooth"),
    1404: ("Status", "lost"),
    1850: ("Asset no", "A-10017"),
}
"""{row in the file: (column, wrong value)}."""


def sample_csv() -> bytes:
    """The same file each time."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(HEADER)
    for row, cells in enumerate(_assets(), start=2):
        if row in MISTAKES:
            column, wrong = MISTAKES[row]
            cells[column] = wrong
        writer.writerow(cells.values())
    return out.getvalue().encode()


def _assets() -> Iterator[dict[str, str]]:
    rng = random.Random(2026)  # noqa: S311
    for number in range(ROWS):
        kind, models, features = rng.choice(KINDS)
        bought = date(2021, 1, 1) + timedelta(days=rng.randrange(1900))
        cells = [
            f"A-{10000 + number}",
            f"{kind} {number + 1:04}",
            f"{kind[:2].upper()}-{number:06}",
            rng.choice(models),
            rng.choice(STATUSES),
            features,
            bought.isoformat(),
            str(rng.choice((12, 24, 36))),
            f"{rng.uniform(0.2, 6):.2f}",
            f"{rng.uniform(60, 2400):.2f}",
            rng.choice(("yes", "no")),
            "Zürich office" if number % 40 == 0 else "",
        ]
        yield dict(zip(HEADER, cells, strict=True))
