"""Names tie alarm, policy document and service together."""

from __future__ import annotations

import pytest

from quickstep.naming import ServiceName, parse_alarm_name, parse_resource_id

WEB = ServiceName("prod", "web")


def test_one_service_has_these_names() -> None:
    assert WEB.resource_id == "service/prod/web"
    assert WEB.parameter == "/quickstep/prod/web"
    assert WEB.alarm("high-request-rate") == "quickstep/prod/web/high-request-rate"


def test_an_alarm_s_name_leads_back_to_service_and_policy() -> None:
    assert parse_alarm_name(WEB.alarm("high.rate_2-x")) == (WEB, "high.rate_2-x")


def test_a_resource_id_leads_back_to_the_service() -> None:
    assert parse_resource_id("service/prod/web") == WEB


@pytest.mark.parametrize(
    "name",
    [
        "",
        "prod/web/high",
        "quickstep/prod/web",
        "quickstep/prod/web/",
        "quickstep//web/high",
        "quickstep/prod/web/a/b",
        "quickstep/prod/web/high\n",
        "xquickstep/prod/web/high",
        "quickstep/pröd/web/high",
        "quickstep/prod/web/a*",
        "quickstep/../../prod/web/high",
        "quickstep/../web/high",
        "quickstep/prod/../high",
        "quickstep/prod/web%2Fapi/high",
        "quickstep/prod/web/../api/high",
        "quickstep\\prod\\web\\high",
        "quickstep/prod／web/high",  # noqa: RUF001 - not the slash that it looks like
        "quickstep/prod/web\x00/high",
        "quickstep/prod/w eb/high",
        "quickstep/arn:aws:ecs:eu-west-1:999999999999:cluster/web/high",
        f"quickstep/prod/{'w' * 256}/high",
    ],
    ids=ascii,
)
def test_other_names_lead_nowhere(name: str) -> None:
    assert parse_alarm_name(name) is None


@pytest.mark.parametrize("text", ["", "prod/web", "service/prod", "service/prod/web/x", "a/b/c"])
def test_other_resource_ids_lead_nowhere(text: str) -> None:
    assert parse_resource_id(text) is None
