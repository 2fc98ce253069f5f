"""`make invoke EVENT=…`: one event through the built function, against an embedded AWS.

    python -m quickstep_lab.invoke events/alarm-high-step2.json

The account there has one policy document, by default the example's, the service that it names, an
empty table and an empty queue. Lambda's Runtime Interface Emulator runs the build natively if it
can, on Linux: that needs no image, and the function's own is arm64, which an x86 host refuses.
Elsewhere, or with `--docker`, `sam local invoke` runs it in a container.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quickstep.naming import RESOURCE_ID_RULE, ServiceName, parse_resource_id
from quickstep_lab.build import BuildError, build
from quickstep_lab.container import (
    ContainerError,
    address_for_containers,
    docker_answers,
    sam_local_invoke,
)
from quickstep_lab.embedded_aws import (
    Account,
    create_queue,
    create_service,
    create_table,
    desired_count,
    embedded_aws,
    messages_waiting,
    put_policy,
)
from quickstep_lab.files import EXAMPLE_POLICY, ROOT
from quickstep_lab.local_lambda import (
    VARIABLES,
    LocalLambdaError,
    built_function,
    emulator,
    runs_here,
)
from quickstep_lab.sam import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class InputError(Exception):
    """Unusable input; the message says what and why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Invoke the function and show the result; return the process's exit code."""
    options = _parser().parse_args(arguments)
    native = not options.docker and (options.native or runs_here() or not docker_answers())
    try:
        event = _read_json("EVENT", options.event)
        document = _read_json("policy document", options.policy)
        service = _service_of(document)
        build(quiet=True)
        with embedded_aws() as account:
            queue_url = _seed(account, service, options.desired, document)
            answer = (
                _invoke_natively(event, account, logs=options.logs)
                if native
                else _invoke_in_container(options.event, account)
            )
            after = desired_count(account, service)
            waiting = messages_waiting(account, queue_url)
    except (InputError, BuildError, ContainerError, LocalLambdaError) as error:
        print(f"make invoke: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    how = "Lambda's Runtime Interface Emulator" if native else "sam local invoke"
    print(f"{FUNCTION} under {how} answered:")  # noqa: T201
    as_json = json.dumps(answer, indent=2, ensure_ascii=False)
    print(as_json if options.json else "\n".join(readable(answer)) or as_json)  # noqa: T201
    print(f"{service.resource_id}: desired count {options.desired} -> {after}")  # noqa: T201
    print(f"Messages in the queue: {waiting}")  # noqa: T201
    return 1 if is_error(answer) else 0


def readable(answer: Any) -> list[str]:
    """Return the lines that describe an answer's decisions; empty if it has none.

    Example: `SCALED_OUT  Scaled out from 2 to 4: ...`, and below it what each rule did.
    """
    decisions = answer.get("decisions", []) if isinstance(answer, dict) else []
    return [line for decision in decisions for line in _lines_of(decision)]


def _lines_of(decision: Mapping[str, Any]) -> Iterator[str]:
    yield f"{decision['outcome']}  {decision['reason']}"
    for step in decision.get("trail", []):
        yield f"  {step['guard']}: {step['before']} -> {step['after']}  {step['why']}"
    if decision.get("next_check_in") is not None:
        yield f"  next look in {decision['next_check_in']} s"


def is_error(answer: Any) -> bool:
    """Return whether an answer is Lambda's report of an exception or a timeout."""
    return isinstance(answer, dict) and "errorType" in answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make invoke", description=__doc__.partition("\n")[0])
    parser.add_argument("event", type=Path, metavar="EVENT", help="an event, as a JSON file")
    parser.add_argument("--policy", type=Path, default=EXAMPLE_POLICY, help="policy document")
    parser.add_argument("--desired", type=int, default=2, help="initial number of tasks (2)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--native", action="store_true", help="run without Docker, even if it is installed"
    )
    how.add_argument(
        "--docker", action="store_true", help="run it in a container, as an arm64 host can"
    )
    parser.add_argument("--json", action="store_true", help="show the whole answer as JSON")
    parser.add_argument("--logs", action="store_true", help="show the function's log lines")
    return parser


def _read_json(what: str, path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        files = sorted(set(ROOT.glob("events/*.json")) - {VARIABLES})
        samples = ", ".join(file.name for file in files)
        raise InputError(f"{what} {path}: {error.strerror}. events/ has {samples}") from error
    except ValueError as error:
        raise InputError(f"{what} {path} is not JSON: {error}") from error


def _service_of(document: Any) -> ServiceName:
    """Return the document's service. The rest is left to the function to check."""
    resource_id = document.get("ResourceId") if isinstance(document, dict) else None
    service = parse_resource_id(resource_id) if isinstance(resource_id, str) else None
    if service is None:
        raise InputError(f"policy document: ResourceId {RESOURCE_ID_RULE}, not {resource_id!r}")
    return service


def _seed(account: Account, service: ServiceName, desired: int, document: Any) -> str:
    """Create what the function needs; return the URL of its queue."""
    variables = json.loads(VARIABLES.read_text(encoding="utf-8"))[FUNCTION]
    create_table(account, variables["TABLE_NAME"])
    create_service(account, service, desired)
    put_policy(account, service, json.dumps(document))
    return create_queue(account, variables["QUEUE_URL"].rpartition("/")[2])


def _invoke_natively(event: Any, account: Account, *, logs: bool) -> Any:
    with emulator(built_function(account.endpoint_url)) as function:
        answer = function.invoke(json.dumps(event))
        if logs or is_error(answer):
            sys.stderr.write(function.log.read_text(encoding="utf-8"))
        return answer


def _invoke_in_container(event: Path, account: Account) -> Any:
    with address_for_containers(account.endpoint_url) as endpoint_url:
        return sam_local_invoke(event.absolute(), VARIABLES, endpoint_url)


if __name__ == "__main__":
    # Like Ctrl-C: leave through the context managers, which stop what was started.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
