"""Ray: two workers give the file of one process, also if one of them is killed, or the whole run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("ray.data")

from simulacra.lm import score_log
from tests.lm.scoring.models import PERSONAS

pytestmark = pytest.mark.slow  # a local cluster takes half a minute to start

ROOT = Path(__file__).parents[3]
SCRIPT = """
import os, pathlib, signal, sys
import ray
from simulacra.lm import score_log
from simulacra.lm.scoring import cluster
from tests.lm.scoring.models import PERSONAS, make_log

folder, out, kill, once = sys.argv[1:]

class Dying(cluster._Actor):  # of this script, so that Ray sends it to its workers
    def __call__(self, batch):
        if batch["block"][0] == 2:
            if kill == "worker" and not os.path.exists(once):
                pathlib.Path(once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if kill == "all":
                os.kill(int(pathlib.Path(once).read_text()), signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)

cluster._Actor = Dying
if kill == "all":
    pathlib.Path(once).write_text(str(os.getpid()))
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False,
         runtime_env={"env_vars": {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}})
score_log(make_log(), model=folder, personas=PERSONAS, out=out, block_rows=2, device="cpu", ray_workers=2,
          progress_bar=False)
"""


def run(folder, out, kill, once):
    words = [sys.executable, "-c", SCRIPT, str(folder), str(out), kill, str(once)]
    return subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.fixture
def whole(log, folder, tmp_path):
    score_log(
        log, model=str(folder), personas=PERSONAS, out=tmp_path / "whole.parquet", block_rows=2, progress_bar=False
    )
    return (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize("kill", ["nobody", "worker"])
def test_two_workers_give_the_file_of_one_process(kill, whole, folder, tmp_path):
    out, once = tmp_path / "scored.parquet", tmp_path / "once"
    ended = run(folder, out, kill, once)
    assert ended.returncode == 0, ended.stderr
    assert once.exists() == (kill == "worker")  # one was killed
    assert out.read_bytes() == whole
    assert not out.with_name("scored.parquet.parts").exists()


def test_a_run_that_is_killed_as_a_whole_resumes(whole, folder, tmp_path):
    out = tmp_path / "scored.parquet"
    assert run(folder, out, "all", tmp_path / "pid").returncode == -signal.SIGKILL
    assert not out.exists()
    assert run(folder, out, "nobody", tmp_path / "once").returncode == 0
    assert out.read_bytes() == whole
