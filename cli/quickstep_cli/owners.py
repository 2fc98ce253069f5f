"""Whose a policy document is: of several tools that write the same parameter, the last would win.

The SSM parameter's tag `quickstep:owner` says it: `stack`, `terraform` or `apply`. A document that
has no tag, put by hand or by an earlier release, is nobody's: `quickstep apply` makes it its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep_cli.failures import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

TAG = "quickstep:owner"
APPLY = "apply"

_WHERE = {
    "stack": "a stack made it: change it there",
    "terraform": "Terraform made it: change it there",
}


def owner_of(ssm: Any, parameter: str) -> str | None:
    """Return whose a stored document is, or None if nobody has said so."""
    answer = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter)
    tags = {tag["Key"]: tag["Value"] for tag in answer["TagList"]}
    return tags.get(TAG)


def refuse_those_of_others(ssm: Any, parameters: Iterable[str]) -> None:
    """Do nothing if all of these stored documents are nobody's, or those of `quickstep apply`.

    Raises:
        CommandError: some have another owner; each is named with its owner.
    """
    owned = {name: owner_of(ssm, name) for name in parameters}
    others = {name: owner for name, owner in owned.items() if owner not in {None, APPLY}}
    if not others:
        return
    lines = [
        f"\n    {name}: {_WHERE.get(str(owner), f'it is owned by {owner}')} ({TAG}={owner})"
        for name, owner in others.items()
    ]
    why = f"nothing was changed; --take-over makes these the files' own:{''.join(lines)}"
    raise CommandError(Exit.NO, why)


def own(ssm: Any, parameter: str) -> None:
    """Make a document that was put in force the one of `quickstep apply`.

    Not in one call with it: PutParameter takes no tags where it may overwrite.
    """
    ssm.add_tags_to_resource(
        ResourceType="Parameter", ResourceId=parameter, Tags=[{"Key": TAG, "Value": APPLY}]
    )
