"""What every test starts from: no AWS environment of the machine's, and a time that is set."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import pytest
from hypothesis import settings

# A property is right or wrong, however slow the machine is. The quick profile is for whoever waits;
# CI looks at ten times as many examples, and HYPOTHESIS_PROFILE=thorough at a hundred.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("ci", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=1_000)
# Of a mutant, every run has to say the same: no chance, and no example kept of another mutant.
settings.register_profile(
    "mutation", deadline=None, max_examples=10, derandomize=True, database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

if find_spec("botocore"):  # mutants of the engine are tested without it
    import botocore.session

    # Every session would read its own copy of the services' descriptions, which takes 0.2 s.
    botocore.session.create_loader = cache(botocore.session.create_loader)


LONGEST = ("test_terraform.py", "test_faults.py", "test_queues.py")
"""Files that begin first: begun last, one would run alone while the other processors idle."""


@pytest.hookimpl(optionalhook=True)  # mutants of the engine are tested without xdist
def pytest_xdist_auto_num_workers() -> int:
    """Take a worker and a half for each processor: tests wait, for servers and for seconds."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def no_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the machine's AWS settings away, so that no test can reach an account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(autouse=True)
def a_terminal_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this terminal's settings away, such as `TERM=dumb`, in which Rich shows no progress."""
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
