"""Who owns a policy document: if several tools wrote the same parameter, the last would win.

The SSM parameter's tag `quickstep:owner` says: `stack`, `terraform` or `apply`. An untagged
document, put by hand or by an earlier release, has no owner: `quickstep apply` takes it over.
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
    """Return a stored document's owner, or None if its tags name none."""
    answer = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter)
    tags = {tag["Key"]: tag["Value"] for tag in answer["TagList"]}
    return tags.get(TAG)


def refuse_those_of_others(ssm: Any, parameters: Iterable[str]) -> None:
    """Return only if every stored document is unowned or belongs to `quickstep apply`.

    Raises:
        CommandError: some have another owner; the message names each with its owner.
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
    """Tag a deployed document as owned by `quickstep apply`.

    This takes a second call: PutParameter refuses tags when it may overwrite.
    """
    ssm.add_tags_to_resource(
        ResourceType="Parameter", ResourceId=parameter, Tags=[{"Key": TAG, "Value": APPLY}]
    )
