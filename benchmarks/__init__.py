"""Benchmarks: what a fit costs beside what a researcher would otherwise write, and how it grows with the log.

Run from the root of the repository, with the extra ``bench`` installed (``pip install -e ".[bench]"``)::

    python -m benchmarks.peers --quick                          # a few minutes: does everything run?
    python -m benchmarks.peers --personas 3 --json peers-3.json # the race of docs/benchmarks.md
    python -m benchmarks.peers --personas 5 --json peers-5.json --seeds 1
    python -m benchmarks.scaling --json scaling.json            # 26 thousand to 26 million rows
    python -m benchmarks.stages LOG.parquet --cache FOLDER      # where the seconds of one fit go

``logs``
    The simulated log that all contestants share, and the same data as arrays.
``contestants``
    One module a contestant, run as a process of its own: ``python -m benchmarks.contestants.ours``.
``contestant``
    What a contestant is given and what it reports.
``quality``
    ESS, R-hat and divergences of a set of draws, the same for all contestants.
``race``
    Starts contestants, with empty and with filled compilation caches.
``peers``, ``scaling``, ``stages``
    The commands.
"""
