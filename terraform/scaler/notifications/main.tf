data "aws_caller_identity" "current" {}

locals {
  posts = nonsensitive(var.webhook != null) ? 1 : 0
  pattern = jsonencode({
    source      = ["quickstep"]
    detail-type = ["Quickstep Decision"]
    detail      = { version = ["1"] }
  })
}

resource "aws_sns_topic" "topic" {
  name_prefix  = "${var.name}-events-"
  display_name = "Quickstep"
}

data "aws_iam_policy_document" "topic_policy" {
  statement {
    sid       = "TheRuleOfThisStack"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.topic.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.rule.arn]
    }
  }
}

resource "aws_sns_topic_policy" "topic_policy" {
  arn    = aws_sns_topic.topic.arn
  policy = data.aws_iam_policy_document.topic_policy.json
}

resource "aws_sns_topic_subscription" "subscription" {
  count = var.email == null ? 0 : 1

  topic_arn = aws_sns_topic.topic.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_sqs_queue" "undelivered" { # events that the topic or the webhook did not accept
  name_prefix               = "${var.name}-events-"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "undelivered_policy" {
  statement {
    sid       = "TheRulesOfThisStack"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = concat([aws_cloudwatch_event_rule.rule.arn], aws_cloudwatch_event_rule.webhook_rule[*].arn)
    }
  }
}

resource "aws_sqs_queue_policy" "undelivered_policy" {
  queue_url = aws_sqs_queue.undelivered.url
  policy    = data.aws_iam_policy_document.undelivered_policy.json
}

resource "aws_cloudwatch_event_rule" "rule" {
  name_prefix    = "${var.name}-events-"
  description    = "Quickstep's events to the topic, one sentence each"
  event_bus_name = var.event_bus
  event_pattern  = local.pattern
}

resource "aws_cloudwatch_event_target" "topic" {
  rule           = aws_cloudwatch_event_rule.rule.name
  event_bus_name = var.event_bus
  target_id      = "Topic"
  arn            = aws_sns_topic.topic.arn

  dead_letter_config { arn = aws_sqs_queue.undelivered.arn }
  retry_policy {
    maximum_retry_attempts       = 10
    maximum_event_age_in_seconds = 3600
  }
  input_transformer {
    input_paths    = { text = "$.detail.text" }
    input_template = "\"<text>\""
  }
}

resource "aws_cloudwatch_event_connection" "connection" {
  count = local.posts

  name               = "${var.name}-events"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "Authorization"
      value = var.webhook_secret
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "destination" {
  count = local.posts

  name                             = "${var.name}-events"
  connection_arn                   = aws_cloudwatch_event_connection.connection[0].arn
  http_method                      = "POST"
  invocation_endpoint              = var.webhook
  invocation_rate_limit_per_second = 1 # Slack's limit
}

data "aws_iam_policy_document" "events" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "webhook_role" {
  count = local.posts

  statement {
    sid       = "PostToTheWebhook"
    actions   = ["events:InvokeApiDestination"]
    resources = [aws_cloudwatch_event_api_destination.destination[0].arn]
  }
}

resource "aws_iam_role" "webhook_role" {
  count = local.posts

  name_prefix        = "${var.name}-webhook-"
  assume_role_policy = data.aws_iam_policy_document.events.json
}

resource "aws_iam_role_policy" "webhook_role" {
  count = local.posts

  name   = "Post"
  role   = aws_iam_role.webhook_role[0].id
  policy = data.aws_iam_policy_document.webhook_role[0].json
}

resource "aws_cloudwatch_event_rule" "webhook_rule" {
  count = local.posts

  name_prefix    = "${var.name}-webhook-"
  description    = "Quickstep's events to the webhook, in Slack's format"
  event_bus_name = var.event_bus
  event_pattern  = local.pattern
}

resource "aws_cloudwatch_event_target" "webhook" {
  count = local.posts

  rule           = aws_cloudwatch_event_rule.webhook_rule[0].name
  event_bus_name = var.event_bus
  target_id      = "Webhook"
  arn            = aws_cloudwatch_event_api_destination.destination[0].arn
  role_arn       = aws_iam_role.webhook_role[0].arn

  dead_letter_config { arn = aws_sqs_queue.undelivered.arn }
  retry_policy {
    maximum_retry_attempts       = 10
    maximum_event_age_in_seconds = 3600
  }
  input_transformer {
    input_paths    = { text = "$.detail.text" }
    input_template = "{\"text\": <text>}"
  }
}
