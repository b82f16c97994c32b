"""A run that goes on keeps its split, and says what became of its data."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case, Record
from ganatomy.data.sources.folder import Folder
from ganatomy.data.splits.held import Held
from ganatomy.data.summary import check_held, content_hash, summary
from ganatomy.errors import UserError


@dataclass
class Planted:
    """Cases as they are written here: two of each subject, with one number as all their content.

    bad: those that have a fault. given: splits that the data set gives.
    """

    values: dict[str, int] = field(
        default_factory=lambda: {f"{s}{n}": ord(s) for s in "abcdefgh" for n in "12"}
    )
    bad: tuple[str, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)
    channels, spatial_dims, size = 1, 2, None
    classes, box_classes, image_classes = (), (), ()

    def records(self) -> list[Record]:
        return [
            Record(case, case[0], self.given.get(case), {}, "odd" if ord(case[0]) % 2 else "even")
            for case in self.values
        ]

    def load(self, record: Record) -> Case:
        image = np.arange(16.0).reshape(1, 4, 4) + self.values[record.case]
        return {
            "image": image * (np.nan if record.case in self.bad else 1),
            "affine": np.eye(4),
            "spacing": np.ones(2),
        }

    def fingerprint(self, record: Record) -> str:
        return self.content(record) + str(record.case in self.bad)

    def content(self, record: Record) -> str:
        return f"{record.case} {self.values[record.case]}"


def opened(source: Planted, told: dict[str, Any] | None = None, **settings: Any) -> DataModule:
    held = Held.of("runs/old", told) if told else None
    data = DataModule(source, 2, held=held, cache="none", **{"split_seed": 3} | settings)
    data.setup()
    check_held(data)
    return data


def names(data: DataModule) -> dict[str, list[str]]:
    return {split: [record.case for record in records] for split, records in data.records.items()}


def refusal(source: Planted, told: dict[str, Any], **settings: Any) -> str:
    with pytest.raises(UserError) as error:
        opened(source, told, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """data.json of a run on all cases."""
    monkeypatch.setenv("HOME", str(tmp_path))  # where facts are remembered
    return summary(opened(Planted()))


def first(told: dict[str, Any]) -> dict[str, Any]:
    """As 062eb33 wrote it."""
    return {key: value for key, value in told.items() if key != "contents"}


@pytest.mark.parametrize("settings", [{}, {"split_seed": 8}, {"folds": 4, "fold": 1}, {"split": [1, 1, 1]}])
def test_the_split_is_that_of_the_run_whatever_the_settings_deal_now(told, settings) -> None:
    was = names(opened(Planted()))
    assert names(opened(Planted(), told, **settings)) == was
    assert names(opened(Planted(), first(told), **settings)) == was
    assert settings == {} or names(opened(Planted(), **settings)) != was


def test_a_publisher_who_changes_a_list_changes_no_run(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lists = {
        f"{s}{n}": "test" if s == "a" else "val" if s in "bc" else "train" for s in "abcdefgh" for n in "12"
    }
    told = summary(opened(Planted(given=lists)))
    other = Planted(given={case: {"test": "train", "train": "test"}.get(s, s) for case, s in lists.items()})
    for known in (told, first(told)):
        assert names(opened(other, known)) == names(opened(Planted(given=lists)))


def test_cases_are_trained_on_in_the_old_order(told) -> None:
    turned = Planted(dict(reversed(Planted().values.items())))
    assert names(opened(turned, told)) == names(opened(Planted()))
    assert names(opened(turned)) != names(opened(Planted()))


def test_what_came_went_and_changed_is_named(told) -> None:
    values = Planted().values
    came, went, other = values | {"i1": 7}, {c: v for c, v in values.items() if c != "c2"}, values | {"d1": 9}
    start = "data: differs from what runs/old was trained on: "
    assert refusal(Planted(came), told) == (
        f"{start}1 case (i1) added; remove the new ones, "
        "or continue with the old ones only: data.changed=keep"
    )
    assert (
        refusal(Planted(went), told)
        == f"{start}1 case (c2) removed; put the old data back, or start a new run"
    )
    assert refusal(Planted(other), told).startswith(f"{start}1 case (d1) changed; put the old data back")
    everything = Planted(
        {c: v for c, v in (other | {f"x{n}": n for n in range(9)}).items() if c[0] not in "ab"}
    )
    assert refusal(everything, told).startswith(
        f"{start}9 cases (x0, x1, x2 and 6 more) added, 4 cases (a1, a2, b1 and 1 more) removed, "
        "1 case (d1) changed; "
    )
    for source in (Planted(went), Planted(other), everything):
        assert "data.changed=keep needs every old case as it was" in refusal(source, told, changed="keep")


def test_keep_goes_on_with_the_old_cases_alone(told) -> None:
    more = Planted({"A1": 1, **Planted().values, "z1": 7, "z2": 8})
    for known in (told, first(told)):
        data = opened(more, known, changed="keep")
        assert names(data) == names(opened(Planted()))
        assert content_hash(data) == told["hash"]
        assert summary(data) == told
    assert opened(more, told, changed="keep").notes == [
        "data: 3 cases (A1, z1, z2) added since the run began; left out"
    ]
    assert opened(Planted(), told, changed="keep").notes == []


def test_labels_stay_with_those_who_had_them(told) -> None:
    some = summary(opened(Planted(), label_fraction=0.5))
    kept = opened(
        Planted(label := Planted().values | {"A1": 1, "z1": 7}), some, label_fraction=0.5, changed="keep"
    )
    assert kept.labels.kept == opened(Planted(), label_fraction=0.5).labels.kept
    assert kept.labels.kept != opened(Planted(label), label_fraction=0.5).labels.kept


def test_a_run_of_062eb33_says_what_its_subjects_tell(told) -> None:
    old, values = first(told), Planted().values
    assert refusal(Planted(values | {"i1": 7}), old) == (
        "data: differs from what runs/old was trained on: 1 subject (i) added, 16 cases became 17; "
        "put the old data back, or continue with the old subjects only: data.changed=keep"
    )
    gone = refusal(Planted({c: v for c, v in values.items() if c[0] != "c"}), old)
    assert "1 subject (c) removed, 16 cases became 14; put the old data back" in gone
    assert "16 cases became 17; put" in refusal(Planted(values | {"a3": 7}), old, changed="keep")
    assert "names or content changed (its data.json does not tell which)" in refusal(
        Planted(values | {"d1": 9}), old
    )


def test_faults_stay_out(told) -> None:
    """What was skipped is neither a case that came nor one that is taken in when it was mended."""
    skipped = summary(opened(Planted(bad=("b1", "e2")), on_error="skip"))
    for known in (skipped, first(skipped)):
        again = opened(Planted(bad=("b1", "e2")), known, on_error="skip")
        assert content_hash(again) == skipped["hash"] and summary(again) == skipped
    assert "(b1, e2) changed" in refusal(Planted(), skipped, on_error="skip")
    mended = opened(Planted(), skipped, on_error="skip", changed="keep")
    assert names(mended) == names(opened(Planted(bad=("b1", "e2")), on_error="skip"))
    assert "1 case (c1) changed" in refusal(Planted(bad=("c1",)), told, on_error="skip")


def test_cases_that_the_task_leaves_out_are_known_too(told) -> None:
    data = opened(Planted())
    data.leave_out([data.records["train"][0].case])
    fewer = summary(data)
    assert fewer["contents"] == told["contents"] and fewer["hash"] != told["hash"]
    again = DataModule(Planted(), 2, held=Held.of("runs/old", fewer), cache="none")
    again.setup()
    again.leave_out([again.records["train"][0].case])
    check_held(again)
    assert summary(again) == fewer


def test_another_preparation_is_another_hash(told) -> None:
    assert "this version prepares them differently" in refusal(Planted(), told, intensity="range")


def test_two_cases_of_one_name_stay_a_fault(told) -> None:
    class Twice(Planted):
        def records(self) -> list[Record]:
            found = super().records()
            return [*found, replace(found[0], content={"again": True})]

    skipped = summary(opened(Twice(), on_error="skip"))
    assert summary(opened(Twice(), copy.deepcopy(skipped), on_error="skip")) == skipped


def grey(name: str) -> np.ndarray:
    return (np.arange(64) + ord(name)).astype(np.uint8).reshape(8, 8)


def test_cases_without_a_split_are_none_of_the_run_and_stay_so(tmp_path, picture) -> None:
    """A list that forgets a case, with on_error=skip: what was left out has not come when the run goes on."""
    for name in "abcde":
        picture(f"images/{name}.png", array=grey(name))
    (tmp_path / "splits.csv").write_text("file,split\na,train\nb,train\nc,val\nd,test\n")
    folder = Folder(root=str(tmp_path), splits="splits.csv")
    first = opened(folder, on_error="skip")
    told = summary(first)
    assert told["contents"]["none"] == {"images_e": ""}
    for changed in ("stop", "keep"):
        again = opened(folder, told, on_error="skip", changed=changed)
        assert names(again) == names(first)
        assert summary(again)["contents"] == told["contents"]
    (tmp_path / "splits.csv").write_text("file,split\na,train\nb,train\nc,val\nd,test\ne,train\n")
    assert names(opened(folder, told, on_error="skip")) == names(first)
    picture("images/f.png", array=grey("f"))
    assert "1 case (images_f) added" in refusal(folder, told, on_error="skip")


def test_keep_remembers_who_had_a_fault(told) -> None:
    values = dict(Planted().values)
    faulty = summary(opened(Planted(values, bad=("a1",)), on_error="skip"))
    mended = opened(Planted(values), faulty, changed="keep")
    assert summary(mended)["contents"] == faulty["contents"]
    assert not any("a1" in cases for cases in names(mended).values())
