"""Policy documents in SSM parameters, kept for a while in the warm function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.aws.failures import calling
from quickstep.config import ConfigError, parse_target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ssm import SSMClient

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName

MAX_AGE_SECONDS = 30

MOST_KEPT = 1_000
"""Targets whose documents one function keeps: some megabytes. The one kept longest makes room."""


class SsmPolicyDocuments:
    """The `PolicyDocuments` port over an SSM client.

    A document that is read and valid is kept for `max_age` seconds; `elapsed` tells seconds since
    any moment, and never goes back.
    """

    def __init__(self, client: SSMClient, max_age: int, elapsed: Callable[[], float]) -> None:
        self._client = client
        self._max_age = max_age
        self._elapsed = elapsed
        self._kept: dict[ServiceName, tuple[float, ScalableTarget]] = {}

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's document; see the port."""
        now = self._elapsed()
        read_at, kept = self._kept.get(service, (now, None))
        if kept is not None and now - read_at < self._max_age:
            return kept
        target = parse_target_of(service, self._read(service.parameter))
        self._kept.pop(service, None)  # to the end: a dict is in the order of insertion
        self._kept[service] = now, target
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return target

    def _read(self, name: str) -> str:
        with calling("GetParameter"):
            try:
                parameter = self._client.get_parameter(Name=name)["Parameter"]
            except self._client.exceptions.ParameterNotFound as error:
                raise ConfigError.of(name, "is missing: no such SSM parameter") from error
        if parameter["Type"] != "String":
            raise ConfigError.of(name, f"must be a String parameter, not {parameter['Type']}")
        return parameter["Value"]
