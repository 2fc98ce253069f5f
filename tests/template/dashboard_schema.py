"""CloudWatch's rules for a dashboard's body, as JSON Schema.

From *CloudWatch-Dashboard-Body-Structure* (CloudWatch API Reference), which knows metric, log and
alarm widgets, among others; and for custom widgets from AWS's own samples
(aws-samples/cloudwatch-custom-widgets-samples). Nothing else is allowed: misspelling is found.
"""

from __future__ import annotations

from typing import Any

STRING = {"type": "string", "minLength": 1}
BOOLEAN = {"type": "boolean"}
NUMBER = {"type": "number"}
STAT = {"type": "string", "pattern": r"^(SampleCount|Average|Sum|Minimum|Maximum|p\d\d?)$"}
PERIOD = {"type": "integer", "minimum": 60, "multipleOf": 60}
SIDE = {"enum": ["left", "right"]}
COLOUR = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
ID = {"type": "string", "pattern": "^[a-z][a-zA-Z0-9_]*$"}


def an_object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


RENDERING = an_object(
    {},
    {
        "color": COLOUR,
        "id": ID,
        "label": STRING,
        "period": PERIOD,
        "region": STRING,
        "stat": STAT,
        "visible": BOOLEAN,
        "yAxis": SIDE,
    },
)
EXPRESSION = an_object(
    {"expression": STRING},
    {"color": COLOUR, "id": ID, "label": STRING, "period": PERIOD, "region": STRING},
)
METRIC = {
    "type": "array",
    "minItems": 1,
    "oneOf": [
        {"prefixItems": [EXPRESSION], "maxItems": 1},
        # Namespace, name, pairs of dimensions, and then the rendering.
        {"prefixItems": [STRING, STRING], "minItems": 2, "items": {"anyOf": [STRING, RENDERING]}},
    ],
}
AXIS = an_object({}, {"min": NUMBER, "max": NUMBER, "label": STRING, "showUnits": BOOLEAN})
PROPERTIES = {
    "metric": an_object(
        {"region": STRING, "metrics": {"type": "array", "items": METRIC, "maxItems": 500}},
        {
            "annotations": an_object(
                {},
                {
                    "horizontal": {
                        "type": "array",
                        "items": an_object(
                            {"value": NUMBER},
                            {
                                "label": STRING,
                                "color": COLOUR,
                                "fill": {"enum": ["above", "below"]},
                                "visible": BOOLEAN,
                                "yAxis": SIDE,
                            },
                        ),
                    }
                },
            ),
            "legend": an_object({"position": {"enum": ["right", "bottom", "hidden"]}}),
            "liveData": BOOLEAN,
            "period": PERIOD,
            "stacked": BOOLEAN,
            "stat": STAT,
            "title": STRING,
            "view": {"enum": ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]},
            "yAxis": an_object({}, {"left": AXIS, "right": AXIS}),
        },
    ),
    "alarm": an_object(
        {
            "alarms": {
                "type": "array",
                "minItems": 1,
                "maxItems": 100,
                "uniqueItems": True,
                "items": STRING,
            }
        },
        {
            "sortBy": {"enum": ["default", "stateUpdatedTimestamp", "timestamp"]},
            "states": {"type": "array", "items": {"enum": ["ALARM", "INSUFFICIENT_DATA", "OK"]}},
            "title": STRING,
        },
    ),
    "log": an_object(
        {"region": STRING, "query": {"type": "string", "pattern": "^SOURCE '"}},
        {"title": STRING, "view": {"enum": ["table", "timeSeries", "bar", "pie"]}},
    ),
    "custom": an_object(
        {"endpoint": STRING},
        {
            "params": {"type": "object"},
            "title": STRING,
            "updateOn": an_object(
                {}, {"refresh": BOOLEAN, "resize": BOOLEAN, "timeRange": BOOLEAN}
            ),
        },
    ),
}


def a_widget(kind: str) -> dict[str, Any]:
    return an_object(
        {"type": {"const": kind}, "properties": PROPERTIES[kind]},
        {
            "x": {"type": "integer", "minimum": 0, "maximum": 23},
            "y": {"type": "integer", "minimum": 0},
            "width": {"type": "integer", "minimum": 1, "maximum": 24},
            "height": {"type": "integer", "minimum": 1, "maximum": 1000},
        },
    ) | {"dependentRequired": {"x": ["y"], "y": ["x"]}}


BODY = an_object(
    {
        "widgets": {
            "type": "array",
            "maxItems": 500,
            # By its type, so that a problem is told of the widget as what it is.
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": list(PROPERTIES)}},
                "allOf": [
                    {
                        "if": {"properties": {"type": {"const": kind}}},
                        "then": a_widget(kind),
                    }
                    for kind in PROPERTIES
                ],
            },
        }
    },
    {
        "start": {"type": "string", "pattern": r"^-P(T\d+[MH]|\d+[DWM])$"},
        "periodOverride": {"enum": ["auto", "inherit"]},
    },
)
