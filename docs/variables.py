# ruff: noqa: INP001 - a folder of documents, not a package
"""The variables of Terraform's modules, from the parameters of the templates.

Empty values in CloudFormation become null in Terraform, yes and true become booleans, and
`Name=Value` becomes a map.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from docs.tables import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TARGET = ROOT / "templates" / "scalable-target.yaml"
SCALER = ROOT / "template.yaml"

# Strings in CloudFormation, which has no such types.
_OTHERWISE = {"Dimensions": ("map(string)", "{}"), "TargetValue": ("number", "null")}

# The first service has its own module.
_FIRST = "The first service (leave both names empty to add services later)"

_SCALER_S_OWN = r"""
variable "name" {
  description = "Prefix of the names of all resources here, like a stack's name."
  type        = string
  default     = "quickstep"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,19}$", var.name))
    error_message = "name must be a letter and up to 19 letters, digits and -."
  }
}

variable "packages" {
  description = "Folder with the zip files from `make packages`. Empty for the module's own."
  type        = string
  default     = null
}
"""


def target() -> str:
    """Return `terraform/target/variables.tf`."""
    return _variables(_template(TARGET)["Parameters"])


def scaler() -> str:
    """Return `terraform/scaler/variables.tf`."""
    template = _template(SCALER)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    (first,) = (one["Parameters"] for one in groups if one["Label"]["default"] == _FIRST)
    parameters = {name: one for name, one in template["Parameters"].items() if name not in first}
    return _variables(parameters) + _SCALER_S_OWN


def _template(path: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    return template


def _variables(parameters: Mapping[str, Mapping[str, Any]]) -> str:
    names = {name: _snake(name) for name in parameters}
    blocks = [_variable(name, one, names) for name, one in parameters.items()]
    head = "# Made from the template's parameters: python -m docs.generate\n"
    return "\n".join([head, *blocks])


def _variable(name: str, parameter: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return one block; descriptions name other variables as Terraform does."""
    text = re.sub(r"[A-Z]\w+", lambda word: names.get(word[0], word[0]), parameter["Description"])
    type_, default = _type_and_default(name, parameter)
    lines = [f"  description = {_quoted(text)}", f"  type        = {type_}"]
    if default is not None:
        lines.append(f"  default     = {default}")
    if default != "null":
        lines.append("  nullable    = false")
    if parameter.get("NoEcho"):
        lines.append("  sensitive   = true")
    if rule := _rule(f"var.{names[name]}", type_, parameter, optional=default == "null"):
        condition, message = rule
        error = _quoted(f"{names[name]} {message}")
        lines += ["", "  validation {", f"    condition     = {condition}"]
        lines += [f"    error_message = {error}", "  }"]
    return "\n".join([f'variable "{names[name]}" {{', *lines, "}", ""])


def _type_and_default(name: str, parameter: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return a variable's type and default, as they are written; no default is None."""
    default = parameter.get("Default")
    if name in _OTHERWISE:
        return _OTHERWISE[name]
    if _switches(parameter):
        return "bool", str(str(default) in {"true", "yes", "on"}).lower()
    if parameter["Type"] == "CommaDelimitedList":
        return "list(string)", f"[{_quoted(str(default))}]" if default else "[]"
    if parameter["Type"] == "Number":
        return "number", str(default)
    if default is None:
        return "string", None
    return "string", _quoted(default) if default else "null"


def _switches(parameter: Mapping[str, Any]) -> bool:
    allowed = {str(one) for one in parameter.get("AllowedValues", ())}
    return allowed in ({"true", "false"}, {"yes", "no"}, {"on", "off"})


def _rule(
    variable: str, type_: str, parameter: Mapping[str, Any], *, optional: bool
) -> tuple[str, str] | None:
    """Return the condition of a variable and what it says, or None where its type says it all."""
    said = parameter.get("ConstraintDescription", "")
    said = re.sub(r"must be empty,? or", "must be", said)  # null is what is empty
    if type_ == "bool" or parameter["Type"].startswith("AWS::SSM"):
        return None
    if allowed := parameter.get("AllowedValues"):
        values = [_quoted(one) if type_ == "string" else str(one) for one in allowed]
        listed = ", ".join(map(str, allowed))
        return f"contains([{', '.join(values)}], {variable})", f"must be one of {listed}"
    match type_:
        case "map(string)":
            return f"length({variable}) <= 3", "must be up to three of Name = Value"
        case "number" if optional:
            value = f"coalesce({variable}, 1)"
            return f"{value} > 0 && {value} < 1000000000", said
        case "number":
            return _range(variable, parameter)
        case _:
            return _pattern(variable, type_, parameter, optional=optional), said


def _pattern(variable: str, type_: str, parameter: Mapping[str, Any], *, optional: bool) -> str:
    """Return the condition that a text, or each of a list, has the template's pattern."""
    pattern = _quoted(parameter["AllowedPattern"].replace("^(|", "^(", 1))
    if type_ == "list(string)":
        return f"alltrue([for one in {variable} : can(regex({pattern}, one))])"
    condition = f"can(regex({pattern}, {variable}))"
    if longest := parameter.get("MaxLength"):
        condition = f"{condition} && try(length({variable}) <= {longest}, true)"
    return f"{variable} == null || {condition}" if optional else condition


def _range(variable: str, parameter: Mapping[str, Any]) -> tuple[str, str]:
    lowest, highest = parameter["MinValue"], parameter.get("MaxValue")
    if highest is None:
        return f"{variable} >= {lowest}", f"must be at least {lowest}"
    condition = f"{variable} >= {lowest} && {variable} <= {highest}"
    return condition, f"must be from {lowest} to {highest}"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${")
    return f'"{escaped}"'
