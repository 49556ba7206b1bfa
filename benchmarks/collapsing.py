"""Scan, collapse and fit one Parquet file, and report time and memory; run as a process by ``benchmarks.scaling``."""

import argparse
import json
import time
from pathlib import Path

from benchmarks.contestant import peak_rss_mb
from benchmarks.logs import bench_model
from benchmarks.quality import draws_of_result, measure
from simulacra.data import collapse, scan_completions
from simulacra.inference import fit

__all__ = ["main"]


def main() -> None:
    """Collapse, record time and peak memory so far, fit, record time."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    model = bench_model(3)
    imported = peak_rss_mb()
    start = time.perf_counter()
    collapsed = collapse(scan_completions(arguments.log), model.emissions)
    collapse_seconds, peak = time.perf_counter() - start, peak_rss_mb()
    start = time.perf_counter()
    result = fit(model, collapsed, progress_bar=False)
    fit_seconds = time.perf_counter() - start
    quality = measure(draws_of_result(result))
    report = {
        "collapse": collapse_seconds,
        "imports_rss_mb": imported,
        "peak_rss_mb": peak,
        "fit": fit_seconds,
        "rows_counted": len(collapsed),
        "quality": quality._asdict(),
        "failed": [str(check) for check in result.failed],
    }
    arguments.out.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
