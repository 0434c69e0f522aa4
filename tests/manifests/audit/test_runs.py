"""Training runs beside a build's own, as an audit speaks of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from manifests.audit.audit import AuditReport, _check_training
from manifests.storage import Folder


@pytest.mark.parametrize("name", ["sweep", "ladder"])
def test_what_is_not_looked_at_is_said(tmp_path: Path, name: str) -> None:
    build: Any = SimpleNamespace(folder=Folder(tmp_path), manifests={})
    report = AuditReport()
    _check_training(build, report)
    assert not report.notes
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}.json").write_text('{"runs": []}\n')
    _check_training(build, report)
    assert report.notes == [f"{name}/: training runs beside each other; their files were not looked at"]
    assert report.passed
