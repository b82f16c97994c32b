"""What a resumed run may change, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ganatomy.config import resolve
from ganatomy.config.resolve import load, resolve_config, to_plain, validate
from ganatomy.errors import UserError
from ganatomy.runs.directory import Run


@pytest.fixture
def stopped(compose: Any, tmp_path: Path) -> Path:
    """A run directory with its configuration: eight steps, a schedule over twenty."""
    Run(tmp_path / "run").write("config.yaml", compose("seed=5"))
    return tmp_path / "run"


def test_a_resumed_run_starts_from_its_own_configuration(compose: Any, stopped: Path) -> None:
    again = compose(f"resume={stopped}", "trainer.val_every=2", tiny=False)
    own = load(stopped)
    assert again["trainer"] == {**own["trainer"], "val_every": 2}
    assert {key: again[key] for key in ("model", "data", "seed")} == {
        k: own[k] for k in ("model", "data", "seed")
    }


@pytest.mark.parametrize(
    "word", ["seed=1", "model.generator.channels=[8,16]", "data.batch_size=2", "update=textbook"]
)
def test_what_makes_the_numbers_stays(compose: Any, stopped: Path, word: str) -> None:
    with pytest.raises(UserError, match="a resumed run keeps its"):
        compose(f"resume={stopped}", word, tiny=False)


def test_a_schedule_over_all_steps_cannot_go_on(compose: Any, stopped: Path) -> None:
    assert compose(f"resume={stopped}", "trainer.max_steps=12", tiny=False)["trainer"]["max_steps"] == 12
    cfg = load(stopped)
    cfg["model"]["scheduler"]["generator"]["T_max"] = 8
    Run(stopped).write("config.yaml", cfg)
    with pytest.raises(
        UserError, match=r"trainer\.max_steps: model\.scheduler\.generator was planned for 8 steps"
    ):
        compose(f"resume={stopped}", "trainer.max_steps=12", tiny=False)


def test_the_validations_that_choose_what_a_second_phase_begins_with_stay(
    compose: Any, tmp_path: Path
) -> None:
    Run(tmp_path / "run").write("config.yaml", compose("task=anomaly", "model=fanogan", tiny=False))
    with pytest.raises(UserError, match=r"trainer\.val_every: a resumed run of two phases keeps"):
        compose(f"resume={tmp_path / 'run'}", "trainer.val_every=2", tiny=False)


def test_a_key_that_must_be_given_is_named() -> None:
    with pytest.raises(UserError, match=r"^run: is missing; give run=\.\.\."):
        to_plain(OmegaConf.create({"run": "???"}))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["resume_force=true"], "resume_force: is true or false, and says something beside resume=DIR alone"),
        (["resume=RUN", "resume_force=2"], "resume_force: is true or false"),
        (
            ["resume=RUN", "callbacks.nothing.at_all=2"],
            "callbacks.nothing.at_all: no such key in .*config.yaml",
        ),
    ],
)
def test_what_a_resumption_cannot_mean_is_refused(
    compose: Any, stopped: Path, words: list[str], line: str
) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        resolve_config(
            OmegaConf.merge(
                compose(tiny=False),
                OmegaConf.from_dotlist([word.replace("RUN", str(stopped)) for word in words]),
            ),
            words,
        )


@pytest.mark.parametrize(
    ("text", "reason"), [("task: 2", "task"), ("", "task"), ("- 2", "task"), (None, "damaged disk")]
)
def test_a_damaged_configuration_is_no_run(
    stopped: Path, text: str | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:

        def broken(path: Path) -> None:
            raise OSError(5, "damaged disk")

        monkeypatch.setattr(resolve, "checked", broken)
    else:
        (stopped / "config.yaml").write_text(text)
    with pytest.raises(
        UserError, match=rf"config\.yaml: is damaged \(.*{reason}\); put it back as the run wrote"
    ):
        load(stopped)


def test_images_of_noise_are_drawn_by_a_task_that_makes_some(compose: Any) -> None:
    with pytest.raises(
        UserError, match=r"^save_samples: this task makes no images of noise; set 0, or choose"
    ):
        validate(compose("task=enhancement", "save_samples=4", tiny=False))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["synthetic_share=0.9"],
            "synthetic_share=0.9: counts beside synthetic=RUN alone; give that, or leave",
        ),
        ([f"synthetic_hash={'0' * 64}"], "synthetic_hash=0+: counts beside synthetic=RUN alone"),
        (["init_players=generator"], "init_players=generator: counts beside init=RUN alone"),
        ([f"init_hash={'0' * 64}"], "init_hash=0+: counts beside init=RUN alone"),
        (["plan_minutes=20"], "plan_minutes=20: counts beside plan=auto alone"),
        (
            ["data.split_file=s.csv", "data.folds=3", "data.fold=0"],
            "data.folds=3: data.split_file says who tests",
        ),
        (["plan_memory=2", "plan=plan.yaml"], "plan_memory=2: counts beside plan=auto alone"),
    ],
)
def test_a_key_that_would_count_for_nothing_is_refused(compose: Any, words: list[str], line: str) -> None:
    def resolved(*given: str) -> Any:
        cfg = OmegaConf.merge(compose(tiny=False), OmegaConf.from_dotlist([*given]))
        return resolve_config(cfg, [*given])

    with pytest.raises(UserError, match=f"^{line}"):
        resolved(*words)
    assert resolved("synthetic_share=0.9", "synthetic=runs/there")["synthetic_share"] == 0.9
    assert resolved("synthetic_share=0.5")["synthetic"] is None
    assert resolved("plan_minutes=20", "plan=auto")["plan_minutes"] == 20
    job = resolved("synthetic=null", "synthetic_share=0.9")  # of --multirun synthetic=null,runs/there
    assert job["synthetic"] is None
