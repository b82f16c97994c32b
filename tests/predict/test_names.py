"""Names of answers."""

from __future__ import annotations

from ganatomy.data.records import Record
from ganatomy.inference.inputs import Inputs
from ganatomy.predict.plan import names_of


def test_an_answer_is_named_by_its_file_unless_a_table_names_its_case() -> None:
    files = {"second": ["scans/b.nii.gz"], "scans_a": ["scans/a.nii.gz"], "both": ["t1.nii.gz", "t2.nii.gz"]}
    records = [Record(case, case, "test", {"image": paths}) for case, paths in files.items()]
    images = [list(paths) for paths in files.values()]
    source = Inputs(root="", files=images)
    assert names_of(source, records) == {"second": "scans/b", "scans_a": "scans/a", "both": "both"}
    named = names_of(Inputs(root="", files=images, names=["second", "", "both"]), records)
    assert named == {"second": "second", "scans_a": "scans/a", "both": "both"}
