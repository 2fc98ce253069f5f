"""`make invoke EVENT=…`: one event through the built function, against an embedded AWS.

    python -m lab.invoke events/alarm-high-step2.json

The account there has one policy document, the example's unless told otherwise, and the service that
it speaks of. Where a Docker daemon answers, `sam local invoke` runs the function in a container;
elsewhere, or with `--native`, Lambda's Runtime Interface Emulator runs the same build natively.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.build import BuildError, build
from lab.container import (
    ContainerError,
    address_for_containers,
    docker_answers,
    sam_local_invoke,
)
from lab.embedded_aws import (
    Account,
    EmbeddedAws,
    create_service,
    create_table,
    desired_count,
    put_policy,
)
from lab.local_lambda import VARIABLES, LocalLambdaError, built_function, emulator
from lab.sam import FUNCTION, ROOT
from quickstep.naming import RESOURCE_ID_RULE, ServiceName, parse_resource_id

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE_POLICY = ROOT / "examples" / "policies" / "web.json"


class InputError(Exception):
    """What the user gave cannot be used; the message says what and why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Invoke the function and show what came of it; return the process's exit code."""
    options = _parser().parse_args(arguments)
    native = options.native or not docker_answers()
    try:
        event = _read_json("EVENT", options.event)
        document = _read_json("policy document", options.policy)
        service = _service_of(document)
        build(quiet=True)
        with EmbeddedAws() as account:
            _seed(account, service, options.desired, document)
            answer = (
                _invoke_natively(event, account, logs=options.logs)
                if native
                else _invoke_in_container(options.event, account)
            )
            after = desired_count(account, service)
    except (InputError, BuildError, ContainerError, LocalLambdaError) as error:
        print(f"make invoke: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    how = "Lambda's Runtime Interface Emulator" if native else "sam local invoke"
    print(f"{FUNCTION} under {how} answered:")  # noqa: T201
    print(json.dumps(answer, indent=2, ensure_ascii=False))  # noqa: T201
    print(f"{service.resource_id}: desired count {options.desired} -> {after}")  # noqa: T201
    return 1 if is_error(answer) else 0


def is_error(answer: Any) -> bool:
    """Whether an answer is Lambda's report of an exception, or of a timeout."""
    return isinstance(answer, dict) and "errorType" in answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make invoke", description=__doc__.partition("\n")[0])
    parser.add_argument("event", type=Path, metavar="EVENT", help="an event, as a JSON file")
    parser.add_argument(
        "--policy", type=Path, default=EXAMPLE_POLICY, help="policy document of the service"
    )
    parser.add_argument("--desired", type=int, default=2, help="tasks the service has before (2)")
    parser.add_argument(
        "--native", action="store_true", help="do without Docker even if it is there"
    )
    parser.add_argument("--logs", action="store_true", help="show the function's log lines")
    return parser


def _read_json(what: str, path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        samples = ", ".join(sorted(sample.name for sample in ROOT.glob("events/alarm-*.json")))
        raise InputError(f"{what} {path}: {error.strerror}. events/ has {samples}") from error
    except ValueError as error:
        raise InputError(f"{what} {path} is not JSON: {error}") from error


def _service_of(document: Any) -> ServiceName:
    """Return the document's service. The rest of it is the function's business to refuse."""
    resource_id = document.get("ResourceId") if isinstance(document, dict) else None
    service = parse_resource_id(resource_id) if isinstance(resource_id, str) else None
    if service is None:
        raise InputError(f"policy document: ResourceId {RESOURCE_ID_RULE}, not {resource_id!r}")
    return service


def _seed(account: Account, service: ServiceName, desired: int, document: Any) -> None:
    variables = json.loads(VARIABLES.read_text(encoding="utf-8"))
    create_table(account, variables[FUNCTION]["TABLE_NAME"])
    create_service(account, service, desired)
    put_policy(account, service, json.dumps(document))


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
    # As Ctrl-C does: leave through the context managers, which stop what was started.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
