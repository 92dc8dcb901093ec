"""Draws shares of the limit as a chart."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.outcome import Figures

BAR = 0.8


def draw(results: Sequence[Figures], file: Path) -> None:
    """A group of bars for each cell, with a bar for each program. Light is the whole
    run, dark its steady part."""
    # The same figures give the same file, and a small one.
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none"})
    names = list(dict.fromkeys(each["cell"]["name"] for each in results))
    programs = list(dict.fromkeys(each["who"] for each in results))
    height = BAR / len(programs)
    figure = Figure(
        figsize=(9, 1.2 + 0.28 * len(names) * (len(programs) + 0.6)),
        layout="constrained",
    )
    axes = figure.subplots()
    for number, program in enumerate(programs):
        own = [each for each in results if each["who"] == program]
        offset = (number + 0.5) * height - BAR / 2
        positions = [names.index(each["cell"]["name"]) + offset for each in own]
        color = f"C{number}"
        whole = [each["share"] for each in own]
        steady = [each["steady_share"] or 0.0 for each in own]
        axes.barh(positions, whole, height, color=color, alpha=0.35)
        axes.barh(positions, steady, height * 0.6, color=color, label=program)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("share of the limit; light: whole run, dark: steady part")
    figure.legend(loc="outside upper center", ncols=len(programs), frameon=False)
    figure.savefig(file, metadata={"Date": None})
