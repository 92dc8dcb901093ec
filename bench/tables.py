"""Figures as lines of text."""

from collections.abc import Iterator, Sequence

from bench.outcome import Figures

HEADINGS = [
    "",
    "limit",
    "whole",
    "share",
    "steady",
    "share",
    "busy",
    "requests",
    "429s",
    "CPU s",
    "MB",
    "sandbox",
    "load",
]
LEGEND = """\
limit, whole, steady: records a second, and their share of the limit.
busy: part of the job slots in use while steady.
requests, 429s: for each 1,000 records.
CPU s: of all processes, for each 100,000 rows, from reading the file on.
MB: the most that each process held, added up.
sandbox: how busy one core was with the sandbox. Near 100 %, the sandbox was the limit.
load: load average of the machine."""
SCALED = (
    "All of Zendesk's times were divided by the time scale. The rates are those of the "
    "faster account."
)
PROCESSES = ("driver", "worker", "web", "script", "rq worker", "valkey", "postgres")


def sending(results: Sequence[Figures]) -> Iterator[str]:
    for figures in results:
        if "way" in figures:
            yield from _stages(figures)
    sent = [figures for figures in results if "records" in figures]
    if not sent:
        return
    yield ""
    yield from aligned([HEADINGS, *_rows(sent)])
    yield ""
    yield LEGEND
    if any(figures["cell"]["time_scale"] != 1 for figures in sent):
        yield SCALED
    yield from _missing_results(sent)
    yield from _requests(sent)
    yield from _no_slot(sent)
    yield from _processes(sent)


def fair(results: Sequence[Figures]) -> Iterator[str]:
    for result in results:
        yield ""
        yield result["name"]
        shares = result.get("shares")
        if shares is None:
            yield _slowdown(result)
        elif shares:
            yield from aligned(_share_lines(shares))
        else:
            yield "  The jobs never all had batches to send at once. Send more rows."


def _slowdown(result: Figures) -> str:
    alone = result["alone_seconds"]
    beside = result["beside_seconds"]
    ratio = beside / alone
    return f"  alone {alone:.1f} s, beside {beside:.1f} s: {ratio:.2f} times as long"


def _share_lines(shares: Sequence[Figures]) -> list[list[str]]:
    lines = [["  weight", "batches", "share", "due", "off by"]]
    for share in shares:
        difference = share["share"] / share["due"] - 1
        line = [
            str(share["weight"]),
            str(share["batches"]),
            f"{share['share']:.3f}",
            f"{share['due']:.3f}",
            f"{difference * 100:+.1f} %",
        ]
        lines.append(line)
    return lines


def _rows(results: Sequence[Figures]) -> Iterator[list[str]]:
    last_cell = ""
    for figures in results:
        cell = figures["cell"]
        if cell["name"] != last_cell:
            last_cell = cell["name"]
            blanks = [""] * (len(HEADINGS) - 1)
            yield [f"{cell['name']} ({cell['bound']})", *blanks]
        yield _row(figures)


def _row(figures: Figures) -> list[str]:
    costs = figures["processes"].values()
    cpu_seconds = sum(cost["cpu_seconds_per_100000"] for cost in costs)
    megabytes = sum(cost["all_mb"] for cost in costs)
    return [
        f"  {figures['who']}",
        f"{figures['cell']['limit']:,.0f}",
        f"{figures['records_per_second']:,.0f}",
        f"{figures['share']:.3f}",
        *_steady_columns(figures),
        f"{figures['all_requests_per_1000']:.1f}",
        f"{figures['refused_per_1000']:.2f}",
        f"{cpu_seconds:.1f}",
        f"{megabytes:.0f}",
        f"{figures['sandbox_busy'] * 100:.0f} %",
        f"{figures['load_average']:.1f}",
    ]


def _steady_columns(figures: Figures) -> list[str]:
    steady = figures["steady_records_per_second"]
    if not steady:
        return ["-", "-", "-"]
    return [
        f"{steady:,.0f}",
        f"{figures['steady_share']:.3f}",
        f"{figures['busy']:.3f}",
    ]


def _stages(figures: Figures) -> Iterator[str]:
    name = figures["cell"]["name"]
    rows = f"{figures['rows']:,} rows"
    stages = [f"{stage} {seconds:.2f} s" for stage, seconds in figures["way"].items()]
    yield ""
    yield f"{name}: {rows}, database {figures['database_mb']:.0f} MB"
    yield "  " + ", ".join(stages)
    if "results_csv" in figures:
        first = figures["results_csv"]["first_byte_seconds"]
        whole = figures["results_csv"]["seconds"]
        yield f"  results.csv: first byte {first:.2f} s, all of it {whole:.2f} s"


def _missing_results(results: Sequence[Figures]) -> Iterator[str]:
    for figures in results:
        known = figures["succeeded"] + figures["failed"]
        sent = figures["records"]
        if known != sent:
            who = figures["who"]
            yield f"{who}: {sent:,} records were sent, but {known:,} have a result!"


def _requests(results: Sequence[Figures]) -> Iterator[str]:
    yield ""
    yield "Requests for each 1,000 records:"
    for figures in results:
        requests = figures["requests_per_1000"].items()
        counted = ", ".join(f"{kind} {number:.2f}" for kind, number in requests)
        yield f"  {_run(figures)}: {counted}"


def _no_slot(results: Sequence[Figures]) -> Iterator[str]:
    for figures in results:
        held = figures.get("no_slot")
        if not held:
            continue
        yield ""
        yield (
            f"{figures['who']}, while others held every slot ({held['seconds']:.0f} s): "
            f"{held['refused']} 429s, {held['refused_per_minute']:.1f} a minute; "
            f"first batch accepted {held['first_accepted_after']:.2f} s after they were "
            "free. The table counts from then."
        )


def _processes(results: Sequence[Figures]) -> Iterator[str]:
    yield ""
    yield "By process: CPU s for each 100,000 rows, the most MB one held"
    for figures in results:
        costs = figures["processes"]
        texts = [_cost(kind, costs[kind]) for kind in PROCESSES if kind in costs]
        yield f"  {_run(figures)}: {'; '.join(texts)}"


def _cost(kind: str, cost: Figures) -> str:
    cpu_seconds = cost["cpu_seconds_per_100000"]
    return f"{kind} {cpu_seconds:.1f} s, {cost['peak_mb']:.0f} MB"


def _run(figures: Figures) -> str:
    return f"{figures['cell']['name']}, {figures['who']}"


def aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align the first column left and the others right. A line with only a first column
    may be wider than that column."""
    rows = [line for line in lines if any(line[1:])]
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    for line in lines:
        if not any(line[1:]):
            yield line[0]
            continue
        cells = zip(line[1:], widths[1:], strict=True)
        rest = "".join(f"{text:>{width + 2}}" for text, width in cells)
        yield f"{line[0]:<{widths[0]}}{rest}"
