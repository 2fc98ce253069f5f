"""A template as CloudFormation sees it: after SAM's transform, with parameters and conditions in.

References to resources stay symbolic: `Table` for its name, `Table.Arn` for its ARN.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from samcli.lib.translate.sam_template_validator import (  # type: ignore[import-untyped]
    SamTemplateValidator,
)
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from quickstep.config import STANDARD_BYTES
from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCALER = ROOT / "template.yaml"
TARGET = ROOT / "templates" / "scalable-target.yaml"
DASHBOARD = ROOT / "templates" / "dashboard.yaml"
DRILLS = ROOT / "templates" / "drill.yaml"
NESTED = {"DashboardStack": DASHBOARD, "Drill": DRILLS}

STORED = "AWS::SSM::Parameter::Value<String>"
"""The type of a parameter that is the name of an SSM parameter, whose value Ref returns."""

NO_VALUE = object()
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::NoValue": NO_VALUE,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "quickstep",
}


@dataclass(frozen=True)
class Stack:
    """What CloudFormation would make: the resources whose conditions hold, fully resolved."""

    resources: dict[str, dict[str, Any]]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type, by logical id."""
        return {
            name: resource["Properties"]
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def the(self, kind: str) -> dict[str, Any]:
        """Return the properties of the only resource of a type."""
        (properties,) = self.of_type(kind).values()
        return properties


class NoManagedPolicies:
    """SAM asks for the account's managed policies; the template uses none."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def source(path: Path) -> dict[str, Any]:
    """Return a template as it is written."""
    template: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    return template


@cache
def transformed(path: Path) -> dict[str, Any]:
    """Return a template as SAM's transform leaves it."""
    return transform(source(path))


def transform(template: dict[str, Any]) -> dict[str, Any]:
    """Return what SAM's transform makes of a template; code in folders is somewhere in S3 then."""
    validator = SamTemplateValidator(deepcopy(template), NoManagedPolicies(), region="us-east-1")
    result: dict[str, Any] = yaml_parse(validator.get_translated_template_if_valid())
    return result


def deploy(path: Path, **given: str) -> Stack:
    """Return the stack that a template makes of parameters; the others have their defaults."""
    template = transformed(path)
    resolver = Resolver(template, parameters_of(path, given))
    return Stack(
        {
            name: resolver.resolve(resource)
            for name, resource in template["Resources"].items()
            if resolver.holds(resource.get("Condition"))
        }
    )


def whole(stack: Stack) -> Stack:
    """Return the scaler's stack with what its nested stacks make in place of these.

    But for the first service's: that is a stack of its own in all but name.
    """
    resources = dict(stack.resources)
    for name, path in NESTED.items():
        if nested := resources.pop(name, None):
            resources |= deploy(path, **nested["Properties"]["Parameters"]).resources
    return Stack(resources)


def refusals(path: Path, **given: str) -> list[str]:
    """Return why CloudFormation would refuse these parameters: their constraints, and the rules."""
    declared = source(path)["Parameters"]
    broken = [
        f"{name}: {value!r}" for name, value in given.items() if not allowed(declared[name], value)
    ]
    resolver = Resolver(source(path), parameters_of(path, given))
    return broken + [
        assertion["AssertDescription"]
        for rule in source(path).get("Rules", {}).values()
        if resolver.resolve(rule.get("RuleCondition", True))
        for assertion in rule["Assertions"]
        if not resolver.resolve(assertion["Assert"])
    ]


def parameters_of(path: Path, given: Mapping[str, str]) -> dict[str, Any]:
    declared = source(path)["Parameters"]
    values = {name: str(given.get(name, declared[name].get("Default"))) for name in declared}
    lists = {
        name: values[name].split(",")
        for name, parameter in declared.items()
        if parameter["Type"] == "CommaDelimitedList"
    }
    stored = {
        name: stored_by_the_scaler(values[name])
        for name, parameter in declared.items()
        if parameter["Type"] == STORED
    }
    return {**PSEUDO_PARAMETERS, **values, **lists, **stored}


def stored_by_the_scaler(name: str) -> str:
    """Return what the scaler's stack has put into its SSM parameter of that name."""
    parameter = deploy(SCALER, NamePrefix=name.removesuffix("-scaler")).the("AWS::SSM::Parameter")
    assert parameter["Name"] == name
    return str(parameter["Value"])


def allowed(parameter: Mapping[str, Any], value: str) -> bool:
    """Whether a value satisfies a parameter's own constraints, as CloudFormation checks them."""
    if parameter["Type"] == "CommaDelimitedList":
        return all(re.fullmatch(parameter["AllowedPattern"], part) for part in value.split(","))
    if parameter["Type"] == STORED:
        return value.endswith("-scaler")
    if "AllowedValues" in parameter:
        return value in [str(one) for one in parameter["AllowedValues"]]
    if "AllowedPattern" in parameter:
        fits = len(value) <= int(parameter.get("MaxLength", STANDARD_BYTES))
        return fits and bool(re.fullmatch(parameter["AllowedPattern"], value))
    highest = parameter.get("MaxValue", float("inf"))
    return float(parameter["MinValue"]) <= float(value) <= float(highest)


class Resolver:
    """CloudFormation's intrinsic functions, as far as these templates use them."""

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._conditions = template.get("Conditions", {})
        self._mappings = template.get("Mappings", {})
        self._values = values

    def holds(self, condition: str | None) -> bool:
        return condition is None or bool(self.resolve(self._conditions[condition]))

    def resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            if function == "Condition":
                return self.holds(argument)
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, argument)
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not NO_VALUE}

    def _call(self, function: str, argument: Any) -> Any:
        match function, argument:
            case "Ref", name:
                return self._values.get(name, name)
            case "Fn::GetAtt", [name, attribute]:
                return f"{name}.{attribute}"
            case "Fn::If", [condition, yes, no]:
                return self.resolve(yes if self.holds(condition) else no)
            case "Fn::Sub", [text, names]:
                return self._substitute(text, {**self._values, **self.resolve(names)})
            case "Fn::Sub", text:
                return self._substitute(text, self._values)
            case _:
                return self._call_on_values(function, self.resolve(argument))

    def _call_on_values(self, function: str, arguments: Any) -> Any:
        match function, arguments:
            case "Fn::FindInMap", [name, top, second]:
                return self._mappings[name][top][second]
            case "Fn::Join", [delimiter, parts]:
                return delimiter.join(parts)
            case "Fn::Split", [delimiter, text]:
                return text.split(delimiter)
            case "Fn::Select", [index, parts]:
                return parts[int(index)]
            case _:
                return self._call_on_truths(function, arguments)

    @staticmethod
    def _call_on_truths(function: str, arguments: Any) -> bool:
        match function, arguments:
            case "Fn::Equals", [left, right]:
                return str(left) == str(right)
            case "Fn::Not", [value]:
                return not value
            case "Fn::And" | "Fn::Or", values:
                return all(values) if function == "Fn::And" else any(values)
            case _:
                raise ValueError(f"{function} is not resolved here: {arguments}")

    @staticmethod
    def _substitute(text: str, names: Mapping[str, Any]) -> str:
        """Fill in names; a resource's stays symbolic, and `${!name}` is a literal `${name}`."""

        def fill(match: re.Match[str]) -> str:
            literal = match[1].startswith("!")
            return f"${{{match[1][1:]}}}" if literal else str(names.get(match[1], match[1]))

        return re.sub(r"\$\{([^}]+)\}", fill, text)
