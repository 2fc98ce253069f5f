"""`make packages`: the zip files that Terraform uploads are the same for the same build."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

from quickstep_lab.packages import PACKAGES, pack
from tests.template.stack import SCALER, source

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "python/quickstep/__init__.py": "x = 1",
    "python/a.py": "",
    "handler.py": "def handler(): ...",
}


def built(folder: Path, names: list[str], day: int, mode: int) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FILES[name], encoding="utf-8")
        path.chmod(mode)
        os.utime(path, (day, day))
    return folder


def test_two_builds_of_one_source_are_packed_to_the_same_bytes(tmp_path: Path) -> None:
    names = list(FILES)
    first = built(tmp_path / "first", names, day=1_000_000_000, mode=0o644)
    second = built(tmp_path / "second", names[::-1], day=1_700_000_000, mode=0o600)

    assert pack(first, tmp_path / "1.zip") == pack(second, tmp_path / "2.zip")


def test_a_change_of_one_file_is_another_digest(tmp_path: Path) -> None:
    folder = built(tmp_path / "built", list(FILES), day=1_000_000_000, mode=0o644)
    before = pack(folder, tmp_path / "1.zip")
    (folder / "handler.py").write_text("def handler(): return 1", encoding="utf-8")

    assert pack(folder, tmp_path / "2.zip") != before


def test_what_is_packed_can_be_read_by_lambda(tmp_path: Path) -> None:
    folder = built(tmp_path / "built", list(FILES), day=1_000_000_000, mode=0o600)
    pack(folder, tmp_path / "1.zip")

    with zipfile.ZipFile(tmp_path / "1.zip") as file:
        assert {one.filename: file.read(one).decode() for one in file.infolist()} == FILES
        assert {one.external_attr >> 16 & 0o777 for one in file.infolist()} == {0o644}


def test_every_function_and_layer_of_the_template_is_packed() -> None:
    code = {
        name
        for name, one in source(SCALER)["Resources"].items()
        if one["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::LayerVersion"}
    }

    assert set(PACKAGES.values()) == code
