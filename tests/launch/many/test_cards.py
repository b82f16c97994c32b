"""Cards of runs side by side, by the environment that a run sees; no card is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from ganatomy.errors import UserError
from ganatomy.launch import processes
from ganatomy.launch.many import cards
from ganatomy.launch.train_process import TrainProcess

A, B = "MIG-1f5b5d6a-0c1e-5d3c-9c6e-7d8f0e1a2b3c", "MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/0"
LISTED = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-6b1d5c5e-2b9a-4e41-8c2e-0d5b0c9b7e11)
  MIG 3g.20gb     Device  0: (UUID: {A})
  MIG 3g.20gb     Device  1: (UUID: {B})
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0ce7a4d4-1c53-4cf4-a0a2-2f5d3b8f5a22)
"""


@pytest.mark.parametrize(
    ("visible", "devices", "shares"),
    [
        (["0", "1", "2", "3"], 1, ["0", "1", "2", "3", "0"]),
        (["4", "5", "7"], 2, ["4,5", "4,5"]),  # one is left over
        (["0"], 2, ["0", "0"]),  # too few: the run itself says so
        ([A, B], 1, [A, B, A]),
        ([], 1, [None, None]),
    ],
)
def test_each_worker_has_gpus_of_its_own(visible: list[str], devices: int, shares: list[str | None]) -> None:
    assert [cards.share(index, devices, visible) for index in range(len(shares))] == shares


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("2,0", ["2", "0"]),
        ("GPU-8932f937, GPU-0ce7a4d4", ["GPU-8932f937", "GPU-0ce7a4d4"]),
        (f"{A},{B}", [A, B]),
        ("", []),
        ("-1", []),
        ("1,-1,0", ["1"]),  # as CUDA reads it: what follows an invalid one is not there
        ("NoDevFiles", []),  # SLURM's word for none
    ],
)
def test_what_the_environment_names(value: str, names: list[str]) -> None:
    assert cards.visible(["python"], {cards.VARIABLE: value}) == names
    assert cards.visible(["/usr/bin/srun", "python"], {cards.VARIABLE: value}) == []


def test_the_list_of_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Numbers of whole cards, and every instance of one that is divided, of which torch counts one."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!{sys.executable}\nprint({LISTED!r}, end='')\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cards.visible(environment={}) == [A, B, "1"]
    tool.write_text(f"#!{sys.executable}\nraise SystemExit(9)\n")  # no driver: torch counts
    assert cards.visible(environment={}) == []


def test_more_runs_than_cards_is_said() -> None:
    assert cards.sharing(2, 1, ["0", "1"]) == cards.sharing(9, 1, []) == cards.sharing(1, 2, ["0"]) == ""
    line = "cards: 3 runs at a time with 2 cards each share 5 cards; with jobs=2 each has its own"
    assert cards.sharing(3, 2, list("01234")) == line
    with pytest.raises(UserError, match=r"trainer\.devices: 2, but a process sees only one MIG instance"):
        cards.sharing(1, 2, [A, B])


def test_a_run_gets_the_cards_of_one_that_ended() -> None:
    pool = cards.Cards(["0", "1", "2", "3"])
    first, second = pool.take(1), pool.take(2)
    assert (first, second) == ("0", "1,2")
    assert pool.take(1) == "3"
    pool.give_back(second)
    assert pool.take(2) == "1,2"
    assert pool.take(1) == "0"  # all are used: the next in turn
    assert cards.Cards(["0"]).take(2) == "0"
    assert cards.Cards([]).take(1) is None


def test_jobs_that_know_nothing_of_each_other(tmp_path: Path) -> None:
    with cards.claimed(tmp_path, 0, 1, ["0", B]) as first:
        with cards.claimed(tmp_path, 1, 1, ["0", B]) as second:
            assert (first, second) == ("0", B)
            with cards.claimed(tmp_path, 3, 1, ["0", B]) as third:
                assert third == B  # none is free: by its number
        with cards.claimed(tmp_path, 4, 1, ["0", B]) as fourth:
            assert fourth == B
        with cards.claimed(tmp_path, 5, 2, ["0", B, "2"]) as both:
            assert both == f"{B},2"
    with cards.claimed(tmp_path, 6, 1, []) as none:
        assert none is None


@pytest.mark.parametrize(("own", "seen"), [(A, A), (None, "7")])
def test_the_environment_of_a_run(
    own: str | None, seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(cards.VARIABLE, "7")
    script = f'echo "$CUDA_VISIBLE_DEVICES" > {tmp_path}/seen'
    TrainProcess(["sh", "-c", script, "sh"], [], tmp_path / "run", cards=own).result()
    assert (tmp_path / "seen").read_text().strip() == seen


@pytest.mark.parametrize(("plugin", "seen"), [("joblib", "0"), ("basic", "0,1")])
def test_a_job_of_joblib_has_a_card(
    plugin: str, seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One after another they all see every card, as a run alone does."""
    composed: Any = SimpleNamespace(
        mode=RunMode.MULTIRUN,
        runtime=SimpleNamespace(choices={"hydra/launcher": plugin}),
        job=SimpleNamespace(num=0),
        sweep=SimpleNamespace(dir=str(tmp_path / "jobs")),
        launcher={"n_jobs": 2, "_target_": f"{plugin}.Launcher"},
    )
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: composed))
    monkeypatch.setattr(processes, "given_words", lambda hydra: [])
    monkeypatch.setattr(processes, "child_command", lambda verb: ["sh", "-c", SCRIPT])
    monkeypatch.setattr("ganatomy.config.compose.searched", list)
    monkeypatch.setenv(cards.VARIABLE, "0,1")
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("RUN", str(run))
    assert processes.train_in_processes(1, run) == 0.5
    assert (tmp_path / "seen").read_text().strip() == seen


SCRIPT = (
    'echo "$CUDA_VISIBLE_DEVICES" > "$SEEN"; '
    'echo \'{"status": "done", "best": {"score": 0.5}}\' > "$RUN/status.json"'
)
