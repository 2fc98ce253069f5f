"""What an AWS error means for an evaluation."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.engine.outcome import Outcome
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

# ECS sends ThrottlingException without listing it in its model; the others are AWS's common ones.
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_NOT_FOUND = {"ClusterNotFoundException", "ServiceNotActiveException", "ServiceNotFoundException"}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}


def failure(call: str, error: BaseException) -> CallFailedError:
    """Return what `error` of `call` means; `call` names it in the reason, e.g. UpdateService."""
    if not isinstance(error, ClientError):
        return CallFailedError(Outcome.FAILED_OTHER, f"{call}: {error}")
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    why = f"{call}: {code}: {message}" if message else f"{call}: {code}"
    if code in _THROTTLED:
        return CallFailedError(Outcome.FAILED_THROTTLED, why)
    if code in _NOT_FOUND:
        return CallFailedError(Outcome.FAILED_NOT_FOUND, why)
    if code in _DENIED:
        return CallFailedError(Outcome.FAILED_DENIED, why)
    return CallFailedError(Outcome.FAILED_OTHER, why)


@contextmanager
def calling(call: str) -> Iterator[None]:
    """Turn whatever boto3 raises inside into a CallFailedError; everything else passes."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise failure(call, error) from error
