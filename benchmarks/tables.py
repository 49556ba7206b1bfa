"""Tables of the commands ``peers``, ``scaling``, ``growth`` and ``gpu``."""

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from simulacra.data.numerals import grouped

__all__ = ["show_devices", "show_growth", "show_peers", "show_scaling"]

_COLUMNS = (
    "contestant",
    "seeds",
    "cold s",
    "warm s",
    "cold CPU s",
    "warm CPU s",
    "bulk ESS",
    "tail ESS",
    "R-hat",
    "div.",
    "passed",
    "RSS MB",
)
_RATIOS = ("cold ÷ ours", "warm ÷ ours", "ESS/s cold", "ESS/s warm", "ours ÷ it, cold", "ours ÷ it, warm")


def show_peers(runs: Sequence[dict], *, personas: int) -> None:
    """Print medians over seeds for every contestant, and ratios to the package."""
    groups: dict[tuple[str, int | None], list[dict]] = {}
    for run in runs:
        groups.setdefault((run["contestant"], run["draws"]), []).append(run)
    rows = {name: _medians(own) for name, own in groups.items()}
    ours = rows.get(("ours", None)) or next((row for (name, _), row in rows.items() if name == "ours"), {})
    table = Table(title=f"K = {personas}: medians over seeds", caption="÷ ours: duration relative to ours")
    for column in (*_COLUMNS, *_RATIOS):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for (name, draws), row in rows.items():
        title = name if draws is None else f"{name}, {draws} draws"
        if "failed" in row:
            table.add_row(title, str(row["seeds"]), str(row["failed"]))
        else:
            table.add_row(title, *_cells(row, ours))
    Console(width=200).print(table)


def _medians(runs: Sequence[dict]) -> dict:
    """Medians of one contestant; ``failed`` if one of its runs did not finish."""
    row: dict = {"seeds": len(runs)}
    for run in runs:
        for report in (run["cold"], run.get("warm", run["cold"])):
            if "failed" in report:
                return {**row, "failed": report["failed"]}
    for temperature in ("cold", "warm"):
        reports = [run[temperature] for run in runs]
        row[temperature] = statistics.median(report["wall"] for report in reports)
        row[f"cpu_{temperature}"] = statistics.median(report["cpu"] for report in reports)
        row["rss"] = max(row.get("rss", 0), max(report["peak_rss_mb"] for report in reports))
        qualities = [report["quality"] for report in reports if report["quality"]]
        if qualities:
            rates = [report["quality"]["ess_bulk"] / report["wall"] for report in reports]
            row[f"rate_{temperature}"] = statistics.median(rates)
            for name in ("ess_bulk", "ess_tail", "r_hat"):
                row[name] = statistics.median(each[name] for each in qualities)
            row["divergences"] = sum(each["divergences"] for each in qualities)
            row["passed"] = f"{sum(each['passed'] for each in qualities)}/{len(qualities)}"
    return row


def _cells(row: dict, ours: dict) -> list[str]:
    def text(name: str, form: str) -> str:
        return format(row[name], form) if name in row else "–"

    def ratio(upper: dict, lower: dict, name: str) -> str:
        return f"{upper[name] / lower[name]:.1f}" if name in upper and name in lower else "–"

    return [
        str(row["seeds"]),
        text("cold", ".1f"),
        text("warm", ".1f"),
        text("cpu_cold", ".1f"),
        text("cpu_warm", ".1f"),
        text("ess_bulk", ".0f"),
        text("ess_tail", ".0f"),
        text("r_hat", ".3f"),
        text("divergences", "d"),
        text("passed", "s"),
        text("rss", ".0f"),
        ratio(row, ours, "cold"),
        ratio(row, ours, "warm"),
        text("rate_cold", ".1f"),
        text("rate_warm", ".1f"),
        ratio(ours, row, "rate_cold"),
        ratio(ours, row, "rate_warm"),
    ]


def show_scaling(runs: Sequence[dict]) -> None:
    """Print time and memory for every size of the log, and ratios to the smallest."""
    table = Table(title="Scaling from 26 thousand rows", caption="×: ratio to the smallest log")
    for column in ("rows", "file MB", "collapse s", "×", "peak RSS MB", "fit s", "×", "min. ESS", "R-hat"):
        table.add_column(column, justify="right")
    for run in runs:
        table.add_row(
            grouped(run["rows"]),
            f"{run['file_mb']:.1f}",
            f"{run['collapse']:.2f}",
            f"{run['collapse'] / runs[0]['collapse']:.1f}",
            f"{run['peak_rss_mb']:.0f}",
            f"{run['fit']:.1f}",
            f"{run['fit'] / runs[0]['fit']:.2f}",
            f"{run['quality']['ess_bulk']:.0f}",
            f"{run['quality']['r_hat']:.3f}",
        )
    Console(width=120).print(table)


def show_growth(runs: Sequence[dict]) -> None:
    """Print time, memory and quality for every number of conditions."""
    table = Table(title="Growth with the number of conditions")
    columns = (
        "conditions",
        "rows",
        "wall s",
        "CPU s",
        "CPU s / condition",
        "peak RSS MB",
        "bulk ESS",
        "tail ESS",
        "R-hat",
    )
    for column in (*columns, "div.", "passed"):
        table.add_column(column, justify="right")
    for run in runs:
        report, sizes = run["report"], (str(run["conditions"]), grouped(run["rows"]))
        if "failed" in report:
            table.add_row(*sizes, report["failed"])
            continue
        quality = report["quality"]
        table.add_row(
            *sizes,
            f"{report['wall']:.1f}",
            f"{report['cpu']:.1f}",
            f"{report['cpu'] / run['conditions']:.2f}",
            f"{report['peak_rss_mb']:.0f}",
            *(f"{quality[name]:.0f}" for name in ("ess_bulk", "ess_tail")),
            f"{quality['r_hat']:.3f}",
            str(quality["divergences"]),
            "yes" if quality["passed"] else "no",
        )
    Console(width=150).print(table)


def show_devices(runs: Sequence[dict], devices: Sequence[str]) -> None:
    """Print the time of a gradient and of a fit on every device, and ratios of the first to the last."""
    columns = ("K", "conditions × questions", "dimension")
    timings = Table(
        title="A gradient of four chains, milliseconds", caption="first: seconds until the first trajectory ends"
    )
    fits = Table(title="Fits, seconds")
    for column in columns:
        for table in (timings, fits):
            table.add_column(column, justify="right")
    for device in devices:
        for column in ("wall", "CPU", "first"):
            timings.add_column(f"{device} {column}", justify="right")
        for column in ("wall", "CPU", "bulk ESS", "tail ESS", "R-hat", "passed"):
            fits.add_column(f"{device} {column}", justify="right")
    for table in (timings, fits):
        table.add_column(f"{devices[0]} ÷ {devices[-1]}", justify="right")
    for run in runs:
        size = str(run["personas"]), f"{run['conditions']} × {run['questions']}", grouped(run.get("dimension", 0))
        if "gradient" in run:
            each = [run["gradient"][device] for device in devices]
            cells = [f"{own[name]:.{digits}f}" for own in each for name, digits in _OF_GRADIENT.items()]
            timings.add_row(*size, *cells, f"{each[0]['wall_ms'] / each[-1]['wall_ms']:.1f}")
        if "fits" in run:
            reports = [run["fits"][device] for device in devices]
            walls = [report.get("wall", float("nan")) for report in reports]
            cells = [cell for report in reports for cell in _of_fit(report)]
            fits.add_row(*size, *cells, f"{walls[0] / walls[-1]:.1f}")
    for table in (timings, fits):
        if table.row_count:
            Console(width=180).print(table)


_OF_GRADIENT = {"wall_ms": 3, "processor_ms": 3, "first_s": 1}


def _of_fit(report: dict) -> list[str]:
    if "failed" in report:
        return [report["failed"][:30], *[""] * 5]
    quality = report["quality"]
    return [
        f"{report['wall']:.1f}",
        f"{report['cpu']:.1f}",
        *(f"{quality[name]:.0f}" for name in ("ess_bulk", "ess_tail")),
        f"{quality['r_hat']:.3f}",
        "yes" if quality["passed"] else "no",
    ]
