"""Reading and scanning of generated logs, which must agree: ``python -m benchmarks.fuzz.logs --examples 10000``."""

import argparse
import tempfile
import time
from pathlib import Path

import hypothesis

from tests.data.generated_logs import Generated, assert_scanned_is_read, logs


def main() -> None:
    """Run many examples, and print how many were read, refused, and how long the slowest took."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seen: dict[str, int] = {}
    slowest = 0.0

    @hypothesis.seed(arguments.seed)
    @hypothesis.settings(
        max_examples=arguments.examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(logs())
    def run(generated: Generated) -> None:
        nonlocal slowest
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            answer = assert_scanned_is_read(generated, Path(folder))
        slowest = max(slowest, time.process_time() - start)
        seen[answer] = seen.get(answer, 0) + 1

    run()
    print(f"{sum(seen.values())} logs: {seen}; the slowest took {slowest:.2f} s")


if __name__ == "__main__":
    main()
