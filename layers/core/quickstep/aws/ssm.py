"""Policy documents in SSM parameters, read through Powertools' cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import BotoCoreError, ClientError

from quickstep.aws.failures import failure
from quickstep.config import ConfigError, parse_target_of

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName

MAX_AGE_SECONDS = 30


class SsmPolicyDocuments:
    """The `PolicyDocuments` port over an SSM client; a document is cached for `max_age` seconds."""

    def __init__(self, client: SSMClient, max_age: int = MAX_AGE_SECONDS) -> None:
        self._provider = SSMProvider(boto3_client=client)
        self._max_age = max_age

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's document; see the port."""
        return parse_target_of(service, self._read(service.parameter))

    def _read(self, name: str) -> str:
        try:
            text = self._provider.get(name, max_age=self._max_age)
        except GetParameterError as error:
            # Powertools wraps every error; the one that boto3 raised is its context.
            cause = error.__context__
            if isinstance(cause, ClientError):
                if cause.response["Error"]["Code"] == "ParameterNotFound":
                    raise ConfigError.of(name, "is missing: no such SSM parameter") from cause
                raise failure("GetParameter", cause) from cause
            if isinstance(cause, BotoCoreError):
                raise failure("GetParameter", cause) from cause
            raise
        if not isinstance(text, str):
            raise ConfigError.of(name, "must be a String parameter")
        return text
