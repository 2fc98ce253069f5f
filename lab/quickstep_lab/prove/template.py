"""The stack of a proof as a CloudFormation template: a service for each contender, and its scaler.

Pure: a plan and names in, a template out. Everything a proof creates is in this one stack, and
nothing of it outlives the stack.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quickstep.naming import ServiceName
from quickstep_lab.prove.plan import Contender
from quickstep_lab.prove.predict import CPU_TARGET, document_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from quickstep_lab.prove.plan import Plan

IMAGE = "public.ecr.aws/lambda/python:3.13"
"""A public image with Python and boto3."""
_LOAD = Path(__file__).parent / "load.py"
_TASK_EXECUTION = (
    "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)


def template(
    plan: Plan,
    start: datetime,
    cluster: str,
    *,
    contenders: Sequence[Contender] = tuple(Contender),
) -> str:
    """Return the template as JSON; parameters are the VPC, its subnets and the surge queue."""
    resources = _shared(cluster)
    for one in contenders:
        resources |= _service(plan, start, cluster, one)
        resources |= _scaler(plan, cluster, one)
    whole = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A proof of Quickstep's claim: delete it when it is left behind",
        "Parameters": {
            "Vpc": {"Type": "String"},
            "Subnets": {"Type": "CommaDelimitedList"},
            "SurgeQueue": {"Type": "String"},
            "SurgeQueueArn": {"Type": "String"},
        },
        "Resources": resources,
    }
    return json.dumps(whole, separators=(",", ":"))


def alarm_of(cluster: str, contender: Contender) -> str:
    """Return the name of the alarm that scales a contender out; of AAS's own, its beginning."""
    if contender is Contender.TRACKING:
        return f"TargetTracking-service/{cluster}/{contender}-AlarmHigh"
    if contender is Contender.STEP:
        return f"{cluster}-{contender}"
    return ServiceName(cluster, contender.value).alarm(f"{contender.policy}/high")


def _id(contender: Contender, what: str) -> str:
    return "".join(part.capitalize() for part in contender.value.split("-")) + what


def _role(policies: list[dict[str, Any]], managed: list[Any]) -> dict[str, Any]:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    properties: dict[str, Any] = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "ManagedPolicyArns": managed,
    }
    if policies:
        document = {"Version": "2012-10-17", "Statement": policies}
        properties["Policies"] = [{"PolicyName": "task", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _shared(cluster: str) -> dict[str, Any]:
    publish = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringLike": {"cloudwatch:namespace": f"Quickstep/{cluster}/*"}},
    }
    ask = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Ref": "SurgeQueueArn"}}
    group = {"GroupDescription": "Tasks of a proof: out only", "VpcId": {"Ref": "Vpc"}}
    return {
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": cluster}},
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 1}},
        "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": group},
        "ExecutionRole": _role([], [{"Fn::Sub": _TASK_EXECUTION}]),
        "TaskRole": _role([publish, ask], []),
    }


def _service(plan: Plan, start: datetime, cluster: str, contender: Contender) -> dict[str, Any]:
    whole_plan = {**asdict(plan), "offsets": plan.offsets}
    environment: dict[str, Any] = {
        "PLAN": json.dumps(whole_plan),
        "START": f"{start.timestamp():.0f}",
        "CLUSTER": cluster,
        "SERVICE": contender.value,
        "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"},
    }
    if contender is Contender.SURGE:
        environment["QUEUE"] = {"Ref": "SurgeQueue"}
    log = {
        "awslogs-group": {"Ref": "Logs"},
        "awslogs-region": {"Ref": "AWS::Region"},
        "awslogs-stream-prefix": contender.value,
    }
    container = {
        "Name": "load",
        "Image": IMAGE,
        "EntryPoint": ["python3", "-c"],
        "Command": [_LOAD.read_text(encoding="utf-8")],
        "Environment": [{"Name": name, "Value": value} for name, value in environment.items()],
        "LogConfiguration": {"LogDriver": "awslogs", "Options": log},
    }
    task = {
        "Family": f"{cluster}-{contender}",
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": str(plan.cpu),
        "Memory": str(plan.memory),
        "ExecutionRoleArn": {"Fn::GetAtt": ["ExecutionRole", "Arn"]},
        "TaskRoleArn": {"Fn::GetAtt": ["TaskRole", "Arn"]},
        "ContainerDefinitions": [container],
    }
    network = {
        "AssignPublicIp": "ENABLED",
        "Subnets": {"Ref": "Subnets"},
        "SecurityGroups": [{"Fn::GetAtt": ["Group", "GroupId"]}],
    }
    service: dict[str, Any] = {
        "Cluster": {"Ref": "Cluster"},
        "ServiceName": contender.value,
        "TaskDefinition": {"Ref": _id(contender, "Task")},
        "LaunchType": "FARGATE",
        "DesiredCount": plan.fewest,
        "NetworkConfiguration": {"AwsvpcConfiguration": network},
    }
    if contender.watches_cpu:
        often = {"MetricNames": ["CPUUtilization"], "ResolutionSeconds": 20}
        service["Monitoring"] = {"MetricConfigurations": [often]}
    return {
        _id(contender, "Task"): {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
        _id(contender, "Service"): {"Type": "AWS::ECS::Service", "Properties": service},
    }


def _scaler(plan: Plan, cluster: str, contender: Contender) -> dict[str, Any]:
    match contender:
        case Contender.TRACKING:
            return _aas(plan, cluster, contender) | _tracking(contender)
        case Contender.STEP:
            scale = [{"Ref": _id(contender, "Policy")}]
            return (
                _aas(plan, cluster, contender)
                | _steps(contender)
                | _alarm(plan, cluster, contender, scale)
            )
        case Contender.ALARM | Contender.SURGE | Contender.CPU:
            return _document(plan, cluster, contender) | _alarm(plan, cluster, contender, [])


def _aas(plan: Plan, cluster: str, contender: Contender) -> dict[str, Any]:
    target = {
        "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": f"service/{cluster}/{contender}",
        "MinCapacity": plan.fewest,
        "MaxCapacity": plan.most,
    }
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"
    service = _id(contender, "Service")
    return {_id(contender, "Target"): {"Type": kind, "DependsOn": service, "Properties": target}}


def _aas_policy(contender: Contender, kind: str, **configuration: Any) -> dict[str, Any]:
    properties = {
        "PolicyName": contender.value,
        "PolicyType": kind,
        "ScalingTargetId": {"Ref": _id(contender, "Target")},
        **configuration,
    }
    policy = {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": properties}
    return {_id(contender, "Policy"): policy}


def _tracking(contender: Contender) -> dict[str, Any]:
    metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilizationHighResolution"}
    configuration = {
        "TargetValue": CPU_TARGET,
        "PredefinedMetricSpecification": metric,
        "ScaleOutCooldown": 60,
        "ScaleInCooldown": 60,
    }
    kind = "TargetTrackingScaling"
    return _aas_policy(contender, kind, TargetTrackingScalingPolicyConfiguration=configuration)


def _steps(contender: Contender) -> dict[str, Any]:
    steps = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 50, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 50, "MetricIntervalUpperBound": 100, "ScalingAdjustment": 2},
        {"MetricIntervalLowerBound": 100, "ScalingAdjustment": 4},
    ]
    configuration = {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 60,
        "MetricAggregationType": "Average",
        "StepAdjustments": steps,
    }
    return _aas_policy(contender, "StepScaling", StepScalingPolicyConfiguration=configuration)


def _alarm(plan: Plan, cluster: str, contender: Contender, actions: list[Any]) -> dict[str, Any]:
    properties = {
        "AlarmName": alarm_of(cluster, contender),
        "Namespace": "AWS/ECS" if contender.watches_cpu else f"Quickstep/{cluster}/{contender}",
        "MetricName": "CPUUtilization" if contender.watches_cpu else "RequestsPerSecond",
        "Dimensions": [
            {"Name": "ClusterName", "Value": cluster},
            {"Name": "ServiceName", "Value": contender.value},
        ],
        "Statistic": "Average",
        "Period": contender.period,
        "EvaluationPeriods": 1,
        "Threshold": CPU_TARGET if contender.watches_cpu else plan.target,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": actions,
    }
    return {_id(contender, "Alarm"): {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}


def _document(plan: Plan, cluster: str, contender: Contender) -> dict[str, Any]:
    document = json.dumps(document_of(plan, cluster, contender))
    name = ServiceName(cluster, contender.value).parameter
    properties = {"Name": name, "Type": "String", "Value": document}
    return {_id(contender, "Document"): {"Type": "AWS::SSM::Parameter", "Properties": properties}}
