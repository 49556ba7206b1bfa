"""Benchmarks: the cost of a fit compared with alternatives, how it scales with the log, and whether it is right.

Run from the root of the repository, with the extra ``bench`` installed (``pip install -e ".[bench]"``)::

    python -m benchmarks.peers --quick                          # a few minutes: check that everything runs
    python -m benchmarks.peers --personas 3 --json peers-3.json # the comparison of docs/benchmarks.md
    python -m benchmarks.peers --personas 5 --json peers-5.json --seeds 1
    python -m benchmarks.scaling --json scaling.json            # 26 thousand to 26 million rows
    python -m benchmarks.growth --json growth.json              # 14 to 300 conditions of 50 questions
    python -m benchmarks.stages LOG.parquet --cache FOLDER      # time of one fit by stage
    python -m benchmarks.gpu --json gpu.json                    # a GPU against the processor of its machine
    python -m benchmarks.sbc FOLDER                             # simulation-based calibration, hours; resumable
    python -m benchmarks.calibration DIR                        # weights from log-likelihoods of the organism
    python -m benchmarks.shifted_texts FOLDER                   # the same in simulated logs, with and without a shift

``logs``
    The simulated log that all contestants share, and the same data as arrays.
``contestants``
    One module per contestant, run as a separate process: ``python -m benchmarks.contestants.ours``.
``contestant``
    Input and report of a contestant.
``quality``
    ESS, R-hat and divergences of a set of draws, computed identically for all contestants.
``race``
    Runs contestants with empty and with filled compilation caches.
``peers``, ``scaling``, ``growth``, ``stages``, ``gpu``
    The commands.
``sbc``, ``calibration``, ``shifted_texts``
    Whether posteriors are right, for ``docs/validation.md``.
"""
