"""A release has one version, and `sam publish` finds what it needs (docs/releasing.md)."""

from __future__ import annotations

import re
import tomllib

import pytest

from quickstep_cli import __version__
from quickstep_cli.extra import DISTRIBUTION, PUBLISHER
from tests.builders import ROOT
from tests.template.stack import SCALER, source

INSTRUCTIONS = sorted(
    path
    for folder in (".", "docs", "docs/decisions", "publisher", "cli/quickstep_cli", "examples/app")
    for kind in ("*.md", "*.py", "Makefile", "Dockerfile")
    for path in (ROOT / folder).glob(kind)
)
METADATA = source(SCALER)["Metadata"]["AWS::ServerlessRepo::Application"]


def project_version(file: str) -> str:
    return str(tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]["version"])


def test_all_parts_have_one_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)

    assert newest is not None
    assert {
        "pyproject.toml": project_version("pyproject.toml"),
        "publisher/pyproject.toml": project_version("publisher/pyproject.toml"),
        "template.yaml": METADATA["SemanticVersion"],
        "quickstep --version": __version__,
    } == dict.fromkeys(
        ["pyproject.toml", "publisher/pyproject.toml", "template.yaml", "quickstep --version"],
        newest[1],
    )


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        # The repository's limits, from the SAM developer guide's metadata properties.
        ("Name", r"[a-zA-Z0-9-]{1,140}"),
        ("Author", r"[a-z0-9](([a-z0-9]|-(?!-)){0,125}[a-z0-9])?"),
        ("Description", r".{1,256}"),
        ("SemanticVersion", r"\d+\.\d+\.\d+"),
    ],
)
def test_the_application_repository_would_take(key: str, pattern: str) -> None:
    assert re.fullmatch(pattern, METADATA[key])


def test_the_application_repository_would_take_the_labels() -> None:
    assert len(METADATA["Labels"]) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+\-_:/@]{1,127}", label) for label in METADATA["Labels"])


@pytest.mark.parametrize("key", ["LicenseUrl", "ReadmeUrl"])
def test_the_files_that_are_packaged_with_it_exist(key: str) -> None:
    assert (ROOT / METADATA[key]).is_file()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param("pyproject.toml", DISTRIBUTION, id="the command"),
        pytest.param("publisher/pyproject.toml", PUBLISHER, id="the publisher"),
    ],
)
def test_what_is_said_to_be_installed_is_what_is_built(file: str, name: str) -> None:
    project = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]

    assert project["name"] == name


def test_no_page_suggests_installing_somebody_else_s_name() -> None:
    named = r"(?:pip|pipx|uv tool) (?:install|run) '?(quickstep[\w-]*)"
    installed = {
        (str(path.relative_to(ROOT)), name)
        for path in INSTRUCTIONS
        for name in re.findall(named, path.read_text(encoding="utf-8"))
    }

    assert [one for one in installed if one[1] not in {DISTRIBUTION, PUBLISHER}] == []
