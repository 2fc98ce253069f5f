"""Running the `quickstep` command on an embedded AWS, with the real scaler behind its queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from quickstep_cli.main import app
from quickstep_lab.embedded_aws import REGION, TABLE
from tests.integration.scene import a_door, take_messages

if TYPE_CHECKING:
    from datetime import timedelta

    from typer.testing import Result

    from quickstep.loop.door import Door
    from quickstep_lab.embedded_aws import Account

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "embedded", "AWS_SECRET_ACCESS_KEY": "embedded"}


@dataclass
class Scaler:
    """The scaler, which works whenever the command waits."""

    account: Account
    queue_url: str
    door: Door
    waits: int = 0

    def works(self, _duration: timedelta) -> None:
        """Evaluate what is in the queue; stands in for the command's waiting."""
        self.waits += 1
        for body in take_messages(self.account, self.queue_url):
            self.door.on_message(body)


def a_scaler(account: Account, queue_url: str, clock: Any) -> Scaler:
    return Scaler(account, queue_url, a_door(account, queue_url, clock))


def quickstep(
    account: Account, queue_url: str, *arguments: str, answer: str | None = None, **environment: str
) -> Result:
    """Run a command as an operator would, with the account's endpoint in the environment."""
    settings = {
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": account.endpoint_url,
        "QUICKSTEP_TABLE": TABLE,
        "QUICKSTEP_QUEUE_URL": queue_url,
        "COLUMNS": "200",
        "NO_COLOR": "1",
        **environment,
    }
    return CliRunner().invoke(app, list(arguments), env=settings, input=answer)


def printed(result: Result) -> Any:
    """Return what a command has printed as JSON."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
