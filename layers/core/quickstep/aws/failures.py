"""What an AWS error means: its kind, and the evaluation's outcome."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.engine.outcome import Outcome
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


class Kind(Enum):
    """The kinds of AWS errors; each value lists the codes that report it."""

    # botocore's list, without the codes that a test names. None of these calls has done anything.
    THROTTLED = (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    )
    # The common errors in each service's API reference, and older services' names for them.
    UNKNOWN_CALLER = (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
    DENIED = (
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorized",
        "UnauthorizedOperation",
    )
    NO_SERVICE = (
        "ClusterNotFoundException",
        "ServiceNotActiveException",
        "ServiceNotFoundException",
    )
    NOT_FOUND = (
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    )
    # Any server error's status counts, too.
    UNREACHABLE = ("RequestTimeout", "RequestTimeoutException")
    OTHER = ()


_OUTCOMES = {
    Kind.THROTTLED: Outcome.FAILED_THROTTLED,
    Kind.UNKNOWN_CALLER: Outcome.FAILED_DENIED,
    Kind.DENIED: Outcome.FAILED_DENIED,
    Kind.NO_SERVICE: Outcome.FAILED_NOT_FOUND,
}
_SERVER_ERROR = 500


def kind_of(error: ClientError) -> Kind:
    """Return an AWS error's kind."""
    code = error.response.get("Error", {}).get("Code")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    otherwise = Kind.UNREACHABLE if status >= _SERVER_ERROR else Kind.OTHER
    return next((kind for kind in Kind if code in kind.value), otherwise)


def failure(call: str, error: BaseException) -> CallFailedError:
    """Return what `error` means; `call` names the call in the reason, e.g. UpdateService."""
    if not isinstance(error, ClientError):
        return CallFailedError(Outcome.FAILED_OTHER, f"{call}: {error}")
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    why = f"{call}: {code}: {message}" if message else f"{call}: {code}"
    return CallFailedError(_OUTCOMES.get(kind_of(error), Outcome.FAILED_OTHER), why)


def raising_denials(adapter: type[_T]) -> type[_T]:
    """Have each public method of an adapter raise a CallFailedError if AWS denies one of its calls.

    For adapters that let any other unexpected error through.
    """
    for name, method in list(vars(adapter).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(adapter, name, _raising_denials(method))
    return adapter


def _raising_denials(method: Callable[_P, _R]) -> Callable[_P, _R]:
    @wraps(method)
    def raising(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(*args, **kwargs)
        except ClientError as error:
            if _OUTCOMES.get(kind_of(error)) is Outcome.FAILED_DENIED:
                raise failure(error.operation_name, error) from error
            raise

    return raising


@contextmanager
def calling(call: str) -> Iterator[None]:
    """Turn anything boto3 raises inside into a CallFailedError; everything else passes."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise failure(call, error) from error
