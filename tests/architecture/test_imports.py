"""Data flows one way: what each room may import."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CORE = ROOT / "layers" / "core"
QUICKSTEP = CORE / "quickstep"

ENGINE_MAY_IMPORT = {
    "__future__",
    "bisect",
    "collections.abc",
    "dataclasses",
    "datetime",
    "enum",
    "itertools",
    "math",
    "operator",
    "typing",
}
SDK = {"botocore", "aws_lambda_powertools"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic"}


def imports(file: Path) -> set[str]:
    """Return the modules that a file imports, those for type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def packages(file: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(file)}


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def path_id(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", files(QUICKSTEP / "engine"), ids=path_id)
def test_the_engine_imports_nothing_but_itself_and_an_allowed_few(file: Path) -> None:
    foreign = {name for name in imports(file) if not name.startswith("quickstep.engine")}

    assert foreign <= ENGINE_MAY_IMPORT


@pytest.mark.parametrize("file", files(QUICKSTEP / "report" / "dashboard"), ids=path_id)
def test_the_dashboard_draws_on_what_it_is_given(file: Path) -> None:
    """No clock, no environment, no AWS: the same records and metrics are the same HTML."""
    assert not imports(file) & {"boto3", "logging", "os", "random", "time", "zoneinfo"}
    assert not any(name.startswith("quickstep.aws") for name in imports(file))


PURE = [*files(QUICKSTEP / "engine"), *files(QUICKSTEP / "report" / "dashboard")]


@pytest.mark.parametrize("file", PURE, ids=path_id)
def test_the_engine_and_the_dashboard_read_no_clock(file: Path) -> None:
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert not called & CLOCKS


SDK_ROOMS = ("aws", "report/telemetry.py", "wiring.py")


@pytest.mark.parametrize("file", files(QUICKSTEP), ids=path_id)
def test_the_sdk_is_imported_by_adapters_telemetry_and_wiring_only(file: Path) -> None:
    room = str(file.relative_to(QUICKSTEP))

    assert room.startswith(SDK_ROOMS) or not packages(file) & SDK


@pytest.mark.parametrize("file", files(QUICKSTEP), ids=path_id)
def test_the_layer_imports_nothing_that_the_lambda_has_not(file: Path) -> None:
    allowed = {"quickstep", *SDK, *sys.stdlib_module_names}
    stubs = {name for name in packages(file) if name.startswith("mypy_boto3_")}

    assert packages(file) - stubs <= allowed


@pytest.mark.parametrize("file", files(QUICKSTEP), ids=path_id)
def test_only_the_wiring_makes_clients(file: Path) -> None:
    makes = "get_session()" in file.read_text(encoding="utf-8")

    assert makes == (file.name == "wiring.py")


@pytest.mark.parametrize("file", files(ROOT / "functions"), ids=path_id)
def test_a_handler_is_at_most_forty_lines_of_code(file: Path) -> None:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]

    assert len(lines) <= 40


@pytest.mark.parametrize("file", files(CORE) + files(ROOT / "functions"), ids=path_id)
def test_what_is_deployed_knows_nothing_of_laboratory_command_line_or_tests(file: Path) -> None:
    assert not packages(file) & {"quickstep_lab", "quickstep_cli", "tests", "functions", "moto"}


PUBLISHER = ROOT / "publisher" / "src" / "quickstep_publisher"


@pytest.mark.parametrize("file", files(PUBLISHER), ids=path_id)
def test_the_publisher_imports_the_standard_library_boto3_and_itself_only(file: Path) -> None:
    allowed = {"quickstep_publisher", "boto3", "botocore", *sys.stdlib_module_names}
    # An integration may import its library: who imports the integration has it.
    allowed |= {file.stem} & {"celery", "dramatiq", "rq"}

    assert packages(file) <= allowed


def test_importing_the_wiring_has_no_side_effects() -> None:
    names = {
        node.value.func.id
        for node in ast.parse((QUICKSTEP / "wiring.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    }

    assert names == {"Config", "TypeVar"}, "constants only: no client, no executor"


def modules(folder: Path) -> dict[str, Path]:
    """Return the modules of a package by their names; a package itself is not one of them."""
    return {
        ".".join(file.relative_to(folder.parent).with_suffix("").parts): file
        for file in files(folder)
        if file.name != "__init__.py"
    }


LAB, CLI = ROOT / "lab" / "quickstep_lab", ROOT / "cli" / "quickstep_cli"
MODULES = modules(QUICKSTEP)
HOUSE = {
    name: file
    for folder in (QUICKSTEP, PUBLISHER, LAB, CLI, ROOT / "benchmarks")
    for name, file in modules(folder).items()
}


def imported_modules(file: Path, known: Mapping[str, Path]) -> set[str]:
    """Return which of the modules a file imports, those for type checking included."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known.keys()


def test_no_import_leads_back_to_where_it_came_from_not_even_for_a_type() -> None:
    graph = {name: imported_modules(file, HOUSE) for name, file in HOUSE.items()}

    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, and names the cycle

    assert order.index("quickstep.engine.model") < order.index("quickstep.loop.cycle")
    assert set(order) == HOUSE.keys()


FLAT = {"__init__", "config", "fields", "naming", "settings", "wiring"}
ROOMS = {
    "engine": set[str](),
    "alarms": {"engine"},
    "protocol": {"engine", "alarms"},
    "loop": {"engine", "alarms", "protocol"},
    "report": {"engine", "alarms", "protocol", "loop"},
    "aws": {"engine", "alarms", "protocol", "report"},
}
"""What each room of the core may import beside itself.

Any may import the flat modules, except `settings` and `wiring`.
"""


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_the_core_has_these_rooms_and_few_flat_modules() -> None:
    entries = {path.stem for path in QUICKSTEP.iterdir() if path.name != "__pycache__"}

    assert entries == {*ROOMS, *FLAT}


@pytest.mark.parametrize("room", ROOMS)
def test_the_arrows_between_the_rooms_run_one_way(room: str) -> None:
    mine = {name: file for name, file in MODULES.items() if room_of(name) == room}
    reached = {room_of(name) for file in mine.values() for name in imported_modules(file, MODULES)}

    assert reached <= {room, *ROOMS[room], *FLAT - {"settings", "wiring"}}


ABOVE = ("quickstep_cli", "benchmarks", "docs", "tests")
"""What stands on the laboratory, each on those before it."""
STANDING = {"lab": ABOVE, "cli": ABOVE[1:], "benchmarks": ABOVE[2:]}


@pytest.mark.parametrize(
    "file", [file for name in STANDING for file in files(ROOT / name)], ids=path_id
)
def test_laboratory_command_line_and_benchmarks_know_nothing_of_what_stands_on_them(
    file: Path,
) -> None:
    assert not packages(file) & set(STANDING[file.relative_to(ROOT).parts[0]])


def test_every_module_of_the_layer_is_used_by_a_function() -> None:
    used: set[str] = set()
    handlers = files(ROOT / "functions")
    due = {name for file in handlers for name in imported_modules(file, MODULES)}
    while due:
        used |= due
        due = {name for module in due for name in imported_modules(MODULES[module], MODULES)} - used

    assert MODULES.keys() == used


A_NEW_KIND = """
@dataclass(frozen=True, slots=True)
class Nudge:
    queue: str


{union} | Nudge
"""


def test_mypy_names_every_place_that_must_answer_for_a_new_kind_of_look(tmp_path: Path) -> None:
    core = shutil.copytree(QUICKSTEP, tmp_path / "quickstep")
    messages = core / "protocol" / "messages.py"
    text = messages.read_text(encoding="utf-8")
    union = next(line for line in text.splitlines() if line.startswith("Content = "))
    messages.write_text(text.replace(union, A_NEW_KIND.format(union=union)), encoding="utf-8")

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "-p", "quickstep"],
        cwd=tmp_path,
        env={"MYPYPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )

    errors = re.findall(r"^quickstep/(\S+?):\d+: error: .*Nudge", checked.stdout, re.MULTILINE)
    assert set(errors) == {"loop/door.py", "protocol/messages.py"}, checked.stdout


NEEDLESS = (
    "asyncio",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.parameters",
    "boto3",
    "multiprocessing",
    "pydantic",
    "quickstep.report.dashboard",
    "s3transfer",
)
"""What a cold start would pay for, and the scaler does not need."""

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "table",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/rechecks",
    "POLICY_MAX_AGE_SECONDS": "30",
    "MAX_EVENT_AGE_SECONDS": "60",
    "RETENTION_DAYS": "30",
}

IMPORT = """
import sys
sys.path[:0] = ["functions/scaler", "layers/core"]
import handler
"""


def in_a_new_process(program: str, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603 - this interpreter, a constant program
        [sys.executable, "-c", IMPORT + program],
        cwd=ROOT,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("environment", "made"),
    [
        pytest.param({"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}, 1, id="in Lambda, at once"),
        pytest.param({}, 0, id="elsewhere, at the first event"),
    ],
)
def test_importing_the_handler_makes_clients(environment: dict[str, str], made: int) -> None:
    program = "print(handler.deployed_door.cache_info().currsize)"

    assert int(in_a_new_process(program, **environment)) == made


def test_the_scaler_s_cold_start_loads_nothing_that_it_does_not_need() -> None:
    loaded = set(in_a_new_process("handler.deployed_door(); print(*sys.modules)").split())

    assert "botocore.session" in loaded
    assert not {name for name in loaded if name.startswith(NEEDLESS)}


def test_the_model_of_aas_knows_nothing_of_the_engine() -> None:
    """It is there to be compared with: what both would get wrong alike would be no difference."""
    model = ROOT / "cli" / "quickstep_cli" / "aas.py"

    assert packages(model) <= {"__future__", *sys.stdlib_module_names}


PRODUCT = [
    file
    for folder in (
        *("cli", "functions", "lab", "layers/core", "publisher/src"),
        *("benchmarks", "docs", "examples"),
    )
    for file in files(ROOT / folder)
]
MUTANT = re.compile(r"XX|(?<![A-Za-z])X[a-z]")
"""What a run of mutmut puts around a text: `XXthere are noneXX`."""
NO_MUTANT = re.compile(r"X-Amzn|Xray|Xlarge")


def texts(file: Path) -> list[str]:
    tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    constants = (node.value for node in tree if isinstance(node, ast.Constant))
    return [value for value in constants if isinstance(value, str)]


def test_no_document_or_template_has_a_text_of_a_mutation_run() -> None:
    patterns = ("*.md", "*.yaml", "*.tf", "*.svg", "*.css")
    tree = (path for pattern in patterns for path in ROOT.rglob(pattern))
    own = (p for p in tree if not any(part[0] == "." for part in p.relative_to(ROOT).parts))

    assert not [path for path in own if re.search(r"XX\w", path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("file", PRODUCT, ids=path_id)
def test_no_text_is_left_of_a_mutation_run(file: Path) -> None:
    assert not [text for text in texts(file) if MUTANT.search(NO_MUTANT.sub("", text))]


def test_a_text_of_a_mutation_run_would_be_seen() -> None:
    assert all(MUTANT.search(text) for text in ("XXthere is noneXX", "Xthere is none", "a: Xno"))
