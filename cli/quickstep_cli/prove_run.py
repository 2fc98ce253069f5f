"""A proof on an account: the checks before, its stack, its deadline, and what `--clean` deletes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from quickstep.aws.decisions import DynamoDecisions
from quickstep_cli import __version__
from quickstep_cli.aws import now, wait_for
from quickstep_cli.facts import vcpu_quota
from quickstep_cli.failures import CommandError, Exit
from quickstep_lab.clock import Clock, next_boundary
from quickstep_lab.prove.carry_out import DeadlineError, TakenError, carry_out, remove
from quickstep_lab.prove.plan import Contender
from quickstep_lab.prove.result import Result, Surge
from quickstep_lab.prove.sight import Sight
from quickstep_lab.prove.template import alarm_of, template
from quickstep_lab.prove.watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep_cli.aws import Aws
    from quickstep_lab.prove.plan import Plan

NAME = "quickstep-proof"
"""Of the stack and its cluster: one proof at a time in an account and Region."""
_ACTIONS = (
    "application-autoscaling:DescribeScalingActivities",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
    "cloudformation:CreateStack",
    "cloudformation:DeleteStack",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricAlarm",
    "dynamodb:Query",
    "ec2:CreateSecurityGroup",
    "ecs:CreateCluster",
    "ecs:CreateService",
    "ecs:DescribeServices",
    "ecs:DescribeTasks",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "ecs:UpdateService",
    "iam:CreateRole",
    "iam:PassRole",
    "logs:CreateLogGroup",
    "ssm:PutParameter",
)
"""What creating, watching and deleting the stack takes, with the caller's credentials."""
_TAG = {"Key": NAME, "Value": "true"}
"""Of the stack, and by it of most that is in it."""
_CREATED, _DELETED = "stack_create_complete", "stack_delete_complete"


@dataclass(frozen=True, slots=True)
class ProofStack:
    """The stack, over CloudFormation; see `carry_out.Stack`.

    `client` deletes it, and `creator` creates it, which may have a deadline.
    """

    client: Any
    creator: Any = None
    body: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    seconds: int = 600

    def create(self) -> None:
        """Create it, and wait; CloudFormation deletes what it cannot complete."""
        try:
            self.creator.create_stack(
                StackName=NAME,
                TemplateBody=self.body,
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in self.parameters.items()
                ],
                Capabilities=["CAPABILITY_IAM"],
                OnFailure="DELETE",
                Tags=[_TAG],
            )
        except self.creator.exceptions.AlreadyExistsException as error:
            why = f"there is a stack {NAME} already: `quickstep prove --clean` deletes it"
            raise TakenError(why) from error
        self._wait(self.creator, _CREATED)

    def remove(self) -> None:
        """Delete it, and wait until it is gone.

        Raises:
            CommandError: CloudFormation could not delete some of its resources, which are named.
        """
        self.client.delete_stack(StackName=NAME)
        try:
            self._wait(self.client, _DELETED)
        except WaiterError as error:
            kept = [
                f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason given')}"
                for one in self.client.describe_stack_resources(StackName=NAME)["StackResources"]
                if one["ResourceStatus"] == "DELETE_FAILED"
            ]
            raise CommandError(Exit.NO, "; ".join(kept) or str(error)) from error

    def _wait(self, client: Any, what: str) -> None:
        delay = 2
        client.get_waiter(what).wait(
            StackName=NAME, WaiterConfig={"Delay": delay, "MaxAttempts": self.seconds // delay}
        )


def clean(aws: Aws) -> list[str]:
    """Delete what a proof has left behind in the Region; return what was done and what is left.

    Raises:
        CommandError: the stack of this name is not a proof's.
        NotRemovedError: it could not be deleted.
    """
    client = aws.client("cloudformation")
    found = _stack(client)
    if found is None:
        done = f"{NAME}: nothing to delete in {aws.region}"
    elif _TAG not in found["Tags"]:
        why = f"the stack {NAME} in {aws.region} is not a proof's: it lacks the tag {NAME}=true"
        raise CommandError(Exit.NO, why)
    else:
        remove(ProofStack(client))
        done = f"{NAME}: deleted in {aws.region}"
    return [done, *_alarms_left(aws), *_stacks_elsewhere(aws)]


def _stack(client: Any) -> dict[str, Any] | None:
    """Return the stack of a proof's name; None where no stack has it."""
    try:
        (found,) = client.describe_stacks(StackName=NAME)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return dict(found)


def _alarms_left(aws: Aws) -> list[str]:
    """Return what to do about alarms of AAS, which belong to no stack: it deletes them itself."""
    prefix = f"TargetTracking-service/{NAME}/"
    names = " ".join(one["AlarmName"] for one in aws.alarms(AlarmNamePrefix=prefix))
    if not names:
        return []
    return [f"AAS has left alarms: `aws cloudwatch delete-alarms --alarm-names {names}`"]


def _stacks_elsewhere(aws: Aws) -> list[str]:
    """Return in which other Regions there is a proof's stack, or could be, as it was not seen."""
    try:
        answer = aws.client("ec2").describe_regions()
    except ClientError as error:
        return [f"other Regions could not be listed: {error}"]
    session: Any = aws.session
    said = []
    for region in sorted({one["RegionName"] for one in answer["Regions"]} - {aws.region}):
        client = session.client(
            "cloudformation", region_name=region, endpoint_url=aws.endpoint_url, config=aws.config
        )
        try:
            if _stack(client):
                said.append(
                    f"{NAME} is in {region}, too: `quickstep prove --clean --region {region}`"
                )
        except (ClientError, BotoCoreError) as error:
            said.append(f"{region} could not be asked: {error}")
    return said


def parameters_of(aws: Aws) -> dict[str, str]:
    """Return the stack's parameters: the default VPC and the scaler's queue of surges.

    Raises:
        CommandError: the Region has no default VPC or no scaler.
    """
    ec2 = aws.client("ec2")
    default = {"Name": "is-default", "Values": ["true"]}
    vpcs = ec2.describe_vpcs(Filters=[default])["Vpcs"]
    if not vpcs:
        why = f"{aws.region} has no default VPC: `aws ec2 create-default-vpc` makes one"
        raise CommandError(Exit.NOT_FOUND, why)
    vpc = str(vpcs[0]["VpcId"])
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    subnets = sorted(one["SubnetId"] for one in found if one.get("DefaultForAz", True))
    queue = aws.resource("Surges")
    answer = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return {
        "Vpc": vpc,
        "Subnets": ",".join(subnets),
        "SurgeQueue": queue,
        "SurgeQueueArn": answer["Attributes"]["QueueArn"],
    }


def obstacles(aws: Aws, plan: Plan, contenders: Sequence[Contender]) -> list[str]:
    """Return what would keep a proof from ending well: rights that lack, a quota that is too low.

    What could not be asked is among them, as that.
    """
    return [*_missing_rights(aws), *_low_quota(aws, plan, len(contenders))]


def _missing_rights(aws: Aws) -> list[str]:
    caller = aws.caller
    if caller.endswith(":root"):
        return []
    source = caller.replace(":sts:", ":iam:").replace(":assumed-role/", ":role/")
    if ":role/" in source:
        source = "/".join(source.split("/")[:2])
    try:
        answer = aws.client("iam").simulate_principal_policy(
            PolicySourceArn=source, ActionNames=list(_ACTIONS)
        )
    except ClientError as error:
        return [f"rights could not be checked: {error}"]
    denied = [
        one["EvalActionName"]
        for one in answer["EvaluationResults"]
        if one["EvalDecision"] != "allowed"
    ]
    return [f"{source} lacks {', '.join(sorted(denied))}"] if denied else []


def _low_quota(aws: Aws, plan: Plan, services: int) -> list[str]:
    needed = math.ceil(services * plan.most * plan.cpu / 1024)
    try:
        value = vcpu_quota(aws)
    except ClientError as error:
        return [f"the quota of Fargate vCPUs could not be checked: {error}"]
    if value < needed:
        return [f"the quota of Fargate vCPUs is {value:g}; a proof takes up to {needed}"]
    return []


def run(
    aws: Aws,
    plan: Plan,
    contenders: Sequence[Contender],
    where: str,
    say: Callable[[str], None],
    *,
    deadline: timedelta,
    clock: Clock | None = None,
) -> Result:
    """Carry a proof out; return its result. The stack is gone then, whatever happened.

    From the deadline on no call is made but those that delete the stack.

    Raises:
        TakenError: there is a proof's stack already; it is left alone.
        DeadlineError: the deadline came before the end.
        NotRemovedError: the stack could not be deleted.
    """
    clock = clock or Clock(now=now, sleep=lambda seconds: wait_for(timedelta(seconds=seconds)))
    begun = clock.now()

    def in_time() -> None:
        if clock.now() >= begun + deadline:
            raise DeadlineError(
                f"it was not over after {deadline / timedelta(minutes=1):g} minutes"
            )

    timed = aws.checking(in_time)
    parameters = parameters_of(aws)
    start = next_boundary(begun + timedelta(seconds=plan.set_up), 60)
    body = template(plan, start, NAME, contenders=contenders)
    clients = (aws.client("cloudformation"), timed.client("cloudformation"))
    stack = ProofStack(*clients, body, parameters)

    def measure() -> tuple[Surge, ...]:
        if (late := (clock.now() - start).total_seconds()) > plan.warm / 2:
            why = f"the stack took {late:.0f} s too long: its services had no time to get calm"
            raise CommandError(Exit.NO, why)
        say(f"The stack {NAME} is there; the clock starts at {start:%H:%M:%S} UTC")
        sight = Sight(
            NAME,
            _alarms(timed, contenders),
            timed.client("ecs"),
            timed.client("cloudwatch"),
            DynamoDecisions(timed.client("dynamodb"), aws.table),
            timed.client("application-autoscaling"),
        )
        clock.sleep(max(0.0, (start - clock.now()).total_seconds()))
        found = watch(plan, start, sight.look, clock, lambda: _reset(timed, plan, contenders))
        in_time()
        say("All surges are over; deleting the stack")
        return found

    surges = carry_out(stack, measure)
    return Result(
        quickstep=__version__,
        where=where,
        region=aws.region,
        start=start.astimezone(UTC),
        plan=plan,
        surges=surges,
    )


def _reset(aws: Aws, plan: Plan, contenders: Sequence[Contender]) -> None:
    """Set the services back to the fewest tasks."""
    for one in contenders:
        aws.client("ecs").update_service(cluster=NAME, service=one.value, desiredCount=plan.fewest)


def _alarms(aws: Aws, contenders: Sequence[Contender]) -> dict[Contender, str]:
    """Return the alarms' names; AAS makes up the end of its own."""
    names = {one: alarm_of(NAME, one) for one in contenders}
    if Contender.TRACKING in names:
        found = aws.alarms(AlarmNamePrefix=names[Contender.TRACKING])
        if found:
            names[Contender.TRACKING] = found[0]["AlarmName"]
    return names
