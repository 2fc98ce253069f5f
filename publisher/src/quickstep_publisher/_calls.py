"""AWS calls from the publisher's own thread: clients, and the errors that they may meet."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from quickstep_publisher._trouble import Kind, NotPublishedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 2
"""Seconds to connect, and seconds to wait for a response."""
# Grouped as in the scaler's core; a test holds the two equal.
CODES = {
    Kind.THROTTLED: (
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
    ),
    Kind.CREDENTIALS: (
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
    ),
    Kind.DENIED: (
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorized",
        "UnauthorizedOperation",
    ),
    Kind.UNREACHABLE: ("RequestTimeout", "RequestTimeoutException"),
}
"""The kind of problem behind an AWS error code; any other code is the metrics' fault."""
_SERVER_ERROR = 500


class Client:
    """A boto3 client for a service: the `given` one, or else one per process."""

    def __init__(self, service: str, given: Any = None) -> None:
        self._service, self._given = service, given
        self._made: Any = None
        self.made_by = 0

    def get(self) -> Any:
        """Return this process's client: after a fork, two processes cannot share a connection."""
        if self.made_by != os.getpid():
            self._made, self.made_by = self._given or _new_client(self._service), os.getpid()
        return self._made


@contextmanager
def calls(
    whom: str, needs: str, refused: Callable[[dict[str, Any]], NotPublishedError]
) -> Iterator[None]:
    """Turn boto3's exceptions into NotPublishedError.

    Args:
        whom: the name of the called party, for messages.
        needs: the actions that the task's role needs.
        refused: turns AWS's error response into an exception.
    """
    # Imported here because boto3 and botocore take 0.5 s: only the publishing worker pays for it.
    from botocore import exceptions  # noqa: PLC0415

    try:
        yield
    except exceptions.NoRegionError as error:
        reason = "no AWS Region is set; give AWS_REGION, as Fargate does"
        raise NotPublishedError(Kind.NO_REGION, reason) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as error:
        reason = f"AWS credentials are missing ({error}); give the task a role with {needs}"
        raise NotPublishedError(Kind.CREDENTIALS, reason) from error
    except exceptions.ClientError as error:
        raise refused(dict(error.response)) from error
    except (exceptions.BotoCoreError, OSError) as error:
        raise NotPublishedError(Kind.UNREACHABLE, f"{whom} cannot be reached ({error})") from error


def kind_of(response: dict[str, Any]) -> Kind:
    """Return the kind of problem that AWS's error response shows."""
    code = response.get("Error", {}).get("Code")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    otherwise = Kind.UNREACHABLE if status >= _SERVER_ERROR else Kind.REFUSED
    return next((kind for kind, codes in CODES.items() if code in codes), otherwise)


def said_of(response: dict[str, Any]) -> str:
    """Return AWS's own words with the error code."""
    error = response.get("Error", {})
    code, message = error.get("Code", "Unknown"), error.get("Message", "")
    return f"{code}: {message}" if message else str(code)


def _new_client(service: str) -> Any:
    # Imported here, in the publishing worker's thread: importing boto3 and creating the client take
    # about 0.7 s of CPU and 30 MB, and no start-up should wait for that.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        # By the time of a retry, the point would be old and the next one on its way.
        retries={"total_max_attempts": 1},
        max_pool_connections=1,
    )
    session: Any = boto3.Session()
    # boto3 reads AWS_DEFAULT_REGION and the profile, but not AWS_REGION, which other SDKs use.
    region = session.region_name or os.environ.get("AWS_REGION")
    return session.client(service, region_name=region, config=config)
