"""A hook between each port call and its effect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_A = TypeVar("_A")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Call:
    """A call before it takes effect: an AWS action, or a request to the table."""

    name: str
    arguments: tuple[Any, ...]


class Hook(Protocol):
    """Stands between a call and its effect."""

    def __call__(self, call: Call, effect: Callable[[], _A], /) -> _A:
        """Let a call take effect, and return its answer."""
        ...


class _Hooked(Protocol):
    @property
    def hook(self) -> Hook: ...


_Port = TypeVar("_Port", bound=_Hooked)


def call(
    name: str,
) -> Callable[[Callable[Concatenate[_Port, _P], _A]], Callable[Concatenate[_Port, _P], _A]]:
    """Turn a method into a call of this name: its body is the effect, which the hook decides on."""

    def decorate(
        effect: Callable[Concatenate[_Port, _P], _A],
    ) -> Callable[Concatenate[_Port, _P], _A]:
        @wraps(effect)
        def called(port: _Port, /, *args: _P.args, **kwargs: _P.kwargs) -> _A:
            return port.hook(Call(name, args), partial(effect, port, *args, **kwargs))

        return called

    return decorate
