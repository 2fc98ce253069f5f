"""A proof from its first resource to the deletion of its last, whatever fails in between.

Only a killed process leaves its stack behind, for `quickstep prove --clean`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep_lab.prove.result import Surge

ATTEMPTS = 3


class TakenError(Exception):
    """There is a stack of this name already, which belongs to another proof."""


class DeadlineError(Exception):
    """The proof was not over in the time that it was given."""


class NotRemovedError(Exception):
    """The stack could not be deleted: it goes on costing until it is."""


class Stack(Protocol):
    """The proof's stack."""

    def create(self) -> None:
        """Create it, and wait until it is complete.

        Raises:
            TakenError: there is one already.
        """

    def remove(self) -> None:
        """Delete it, if it is there, and wait until it is gone."""


def carry_out(stack: Stack, measure: Callable[[], tuple[Surge, ...]]) -> tuple[Surge, ...]:
    """Create the stack, measure, and delete the stack again: also after an error or an interrupt.

    Raises:
        TakenError: there is one already; it is left alone.
        NotRemovedError: it could not be deleted. What went wrong before is its context.
    """
    try:
        stack.create()
        surges = measure()
    except TakenError:
        raise
    except BaseException:
        remove(stack)
        raise
    remove(stack)
    return surges


def remove(stack: Stack) -> None:
    """Delete the stack, in three attempts.

    Raises:
        NotRemovedError: none of them succeeded.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            stack.remove()
        except Exception as error:
            if attempt == ATTEMPTS:
                raise NotRemovedError(f"the stack could not be deleted: {error}") from error
        else:
            return
