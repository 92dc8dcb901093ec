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
limit, whole, steady: records a second, and their share of the limit. busy: part of the job slots taken while steady.
requests, 429s: for each 1,000 records.
CPU s: of all its processes, for each 100,000 rows, from reading the file on. MB: the most each process held, added up.
sandbox: how busy one core was with the sandbox, which near 100 % is what was measured. load: average of the machine."""
SCALED = "All of Zendesk's times were divided by the time scale; the rates are those of that faster harness."
WORST = ("driver", "worker", "web", "script", "rq worker", "valkey", "postgres")


def sending(results: Sequence[Figures]) -> Iterator[str]:
    for figures in results:
        if "way" in figures:
            yield from _way(figures)
    sent = [figures for figures in results if "records" in figures]
    if not sent:
        return
    yield ""
    yield from aligned([HEADINGS, *_rows(sent)])
    yield ""
    yield LEGEND
    if any(figures["cell"]["time_scale"] != 1 for figures in sent):
        yield SCALED
    yield from _unequal(sent)
    yield from _requests(sent)
    yield from _no_slot(sent)
    yield from _processes(sent)


def fair(results: Sequence[Figures]) -> Iterator[str]:
    for result in results:
        yield ""
        yield result["name"]
        if result.get("shares") == []:
            yield "  They never all had batches to send at once: more rows are needed."
        elif "shares" in result:
            lines = [["  weight", "batches", "share", "due", "off by"]]
            lines += [
                [
                    str(s["weight"]),
                    f"{s['batches']}",
                    f"{s['share']:.3f}",
                    f"{s['due']:.3f}",
                    f"{(s['share'] / s['due'] - 1) * 100:+.1f} %",
                ]
                for s in result["shares"]
            ]
            yield from aligned(lines)
        else:
            alone, beside = result["alone_seconds"], result["beside_seconds"]
            yield f"  alone {alone:.1f} s, beside {beside:.1f} s: {beside / alone:.2f} times as long"


def _rows(results: Sequence[Figures]) -> Iterator[list[str]]:
    cell = ""
    for figures in results:
        if figures["cell"]["name"] != cell:
            cell = figures["cell"]["name"]
            yield [f"{cell} ({figures['cell']['bound']})", *[""] * (len(HEADINGS) - 1)]
        costs = figures["processes"].values()
        steady = figures["steady_records_per_second"]
        yield [
            f"  {figures['who']}",
            f"{figures['cell']['limit']:,.0f}",
            f"{figures['records_per_second']:,.0f}",
            f"{figures['share']:.3f}",
            f"{steady:,.0f}" if steady else "-",
            f"{figures['steady_share']:.3f}" if steady else "-",
            f"{figures['busy']:.3f}" if steady else "-",
            f"{figures['all_requests_per_1000']:.1f}",
            f"{figures['refused_per_1000']:.2f}",
            f"{sum(cost['cpu_seconds_per_100000'] for cost in costs):.1f}",
            f"{sum(cost['all_mb'] for cost in costs):.0f}",
            f"{figures['sandbox_busy'] * 100:.0f} %",
            f"{figures['load_average']:.1f}",
        ]


def _way(figures: Figures) -> Iterator[str]:
    way = figures["way"]
    yield ""
    yield f"{figures['cell']['name']}: {figures['rows']:,} rows, database {figures['database_mb']:.0f} MB"
    yield "  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in way.items())
    if "results_csv" in figures:
        results = figures["results_csv"]
        yield f"  results.csv: first byte {results['first_byte_seconds']:.2f} s, all of it {results['seconds']:.2f} s"


def _unequal(results: Sequence[Figures]) -> Iterator[str]:
    for figures in results:
        told = figures["succeeded"] + figures["failed"]
        if told != figures["records"]:
            yield f"{figures['who']}: {figures['records']:,} records were sent, but {told:,} outcomes are known!"


def _requests(results: Sequence[Figures]) -> Iterator[str]:
    yield ""
    yield "Requests for each 1,000 records:"
    for figures in results:
        counted = ", ".join(
            f"{kind} {number:.2f}"
            for kind, number in figures["requests_per_1000"].items()
        )
        yield f"  {figures['cell']['name']}, {figures['who']}: {counted}"


def _no_slot(results: Sequence[Figures]) -> Iterator[str]:
    for figures in results:
        if none := figures.get("no_slot"):
            yield ""
            yield (
                f"{figures['who']}, while others held every slot ({none['seconds']:.0f} s): {none['refused']} 429s, "
                f"{none['refused_per_minute']:.1f} a minute; first batch accepted {none['first_accepted_after']:.2f} s "
                "after they let go. The table counts from then."
            )


def _processes(results: Sequence[Figures]) -> Iterator[str]:
    yield ""
    yield "By process: CPU s for each 100,000 rows, the most MB one held"
    for figures in results:
        costs = figures["processes"]
        told = "; ".join(
            f"{kind} {costs[kind]['cpu_seconds_per_100000']:.1f} s, {costs[kind]['peak_mb']:.0f} MB"
            for kind in WORST
            if kind in costs
        )
        yield f"  {figures['cell']['name']}, {figures['who']}: {told}"


def aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right; a cell's name may reach
    over them."""
    widths = [
        max(len(line[column]) for line in lines if line[1])
        for column in range(len(lines[0]))
    ]
    for line in lines:
        if not any(line[1:]):
            yield line[0]
        else:
            rest = "".join(
                f"{text:>{width + 2}}"
                for text, width in zip(line[1:], widths[1:], strict=True)
            )
            yield f"{line[0]:<{widths[0]}}{rest}"
