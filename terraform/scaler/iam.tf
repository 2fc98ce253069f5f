# What each part may do, and nothing more. Roles have generated names, because IAM is global to the account
# and several Regions may each have a scaler.

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition { # no other account's schedule may use it
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

# --- The scaler -------------------------------------------------------------------------------------

resource "aws_iam_role" "scaler_role" {
  name_prefix        = "${var.name}-scaler-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy" "scaler_role" {
  name   = "Scaler"
  role   = aws_iam_role.scaler_role.id
  policy = data.aws_iam_policy_document.scaler_role.json
}

data "aws_iam_policy_document" "scaler_role" {
  statement {
    sid     = "ScaleServicesOfTheNamedClusters"
    actions = ["ecs:DescribeServices", "ecs:UpdateService"]
    # As in template.yaml: ECS has no cross-account access anyway, and the condition pins the Region.
    resources = [for cluster in var.cluster_names : "arn:*:ecs:*:*:service/${cluster}/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [local.region]
    }
  }

  statement {
    sid       = "ReadPolicyDocuments"
    actions   = ["ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:${local.region}:${local.account}:parameter/quickstep/*"]
  }

  statement { # below this path, in any spelling that IAM uses
    sid       = "FindPolicyDocuments"
    actions   = ["ssm:GetParametersByPath"]
    resources = ["arn:${local.partition}:ssm:${local.region}:${local.account}:parameter/quickstep*"]
  }

  statement { # a transaction needs the permissions of its parts
    sid = "KeepStateAndRecords"
    actions = [
      "dynamodb:BatchGetItem", # for a poll of queues
      "dynamodb:DeleteItem",   # for the list of targets
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query", # for the list of targets
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.table.arn]
  }

  statement {
    sid     = "ReadMetricsAndAlarms"
    actions = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    # GetMetricData supports no resources, and DescribeAlarms shows composite alarms only to callers that may
    # see every alarm. Both only read.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [local.region]
    }
  }

  statement { # Lambda receives and deletes with the function's role
    sid       = "SendAndReceiveRechecks"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = [aws_sqs_queue.rechecks.arn]
  }

  statement { # likewise; the scaler sends none
    sid       = "ReceiveSurges"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.surges.arn]
  }

  dynamic "statement" { # but none of their messages
    for_each = length(var.queue_arns) > 0 ? [var.queue_arns] : []
    content {
      sid       = "ReadTheLengthOfTheNamedQueues"
      actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
      resources = statement.value
    }
  }

  dynamic "statement" { # only under the source quickstep
    for_each = var.event_outcomes == null ? [] : ["default"]
    content {
      sid       = "TellOthers"
      actions   = ["events:PutEvents"]
      resources = ["arn:${local.partition}:events:${local.region}:${local.account}:event-bus/${statement.value}"]
      condition {
        test     = "StringEquals"
        variable = "events:source"
        values   = ["quickstep"]
      }
    }
  }

  statement {
    sid       = "SendFailedInvocations"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failed_invocations.arn]
  }

  statement { # metrics are log lines, too (EMF)
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.scaler_logs.arn}:*"] # the provider's ARN lacks what GetAtt has
  }
}

resource "aws_iam_role" "heartbeat_role" {
  name_prefix        = "${var.name}-heartbeat-"
  assume_role_policy = data.aws_iam_policy_document.scheduler.json
}

resource "aws_iam_role_policy" "heartbeat_role" {
  name   = "Heartbeat"
  role   = aws_iam_role.heartbeat_role.id
  policy = data.aws_iam_policy_document.heartbeat_role.json
}

data "aws_iam_policy_document" "heartbeat_role" {
  statement {
    sid       = "InvokeTheAlias"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }

  statement {
    sid       = "SendUndeliveredHeartbeats"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered_events.arn]
  }
}

# --- Scheduled actions ------------------------------------------------------------------------------

resource "aws_iam_role" "schedule_role" {
  name_prefix        = "${var.name}-schedule-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy" "schedule_role" {
  name   = "Schedule"
  role   = aws_iam_role.schedule_role.id
  policy = data.aws_iam_policy_document.schedule_role.json
}

data "aws_iam_policy_document" "schedule_role" {
  statement {
    sid       = "WriteScheduledOverrides"
    actions   = ["dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.table.arn]
    condition { # not the lease, the memory, or an operator's entries
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:Attributes"
      values   = ["pk", "sk", "override:*"]
    }
    condition {
      test     = "StringEqualsIfExists"
      variable = "dynamodb:ReturnValues"
      values   = ["NONE"]
    }
  }

  statement {
    sid       = "HaveItHeeded"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.rechecks.arn]
  }

  statement {
    sid       = "SendFailedInvocations"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failed_invocations.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.scaler_logs.arn}:*"]
  }
}

resource "aws_iam_role" "scheduler_role" { # for services' schedules, which are created elsewhere
  name_prefix        = "${var.name}-scheduler-"
  assume_role_policy = data.aws_iam_policy_document.scheduler.json
}

resource "aws_iam_role_policy" "scheduler_role" {
  name   = "Scheduler"
  role   = aws_iam_role.scheduler_role.id
  policy = data.aws_iam_policy_document.scheduler_role.json
}

data "aws_iam_policy_document" "scheduler_role" {
  statement {
    sid       = "InvokeTheFunction"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.schedule.arn]
  }

  statement {
    sid       = "SendUndeliveredActions"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered_events.arn]
  }
}

# --- The dashboard's widget -------------------------------------------------------------------------

resource "aws_iam_role" "dashboard_widget_role" {
  name_prefix        = "${var.name}-dashboard-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy" "dashboard_widget_role" {
  name   = "DashboardWidget"
  role   = aws_iam_role.dashboard_widget_role.id
  policy = data.aws_iam_policy_document.dashboard_widget_role.json
}

data "aws_iam_policy_document" "dashboard_widget_role" {
  statement {
    sid       = "ReadStateAndRecords"
    actions   = ["dynamodb:GetItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.table.arn]
  }

  statement {
    sid       = "ReadMetrics"
    actions   = ["cloudwatch:GetMetricData"]
    resources = ["*"] # the action supports no resources
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [local.region]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.dashboard_widget_logs.arn}:*"]
  }
}

# --- Queues -----------------------------------------------------------------------------------------

# The permission that a task role needs to ask for a look, ready to attach.
resource "aws_iam_policy" "ask_for_looks" {
  name_prefix = "${var.name}-ask-for-looks-"
  description = "Lets the tasks of a service ask Quickstep for a look when they feel a surge"
  policy      = data.aws_iam_policy_document.ask_for_looks.json
}

data "aws_iam_policy_document" "ask_for_looks" {
  statement {
    sid       = "AskForLooks"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.surges.arn]
  }
}

data "aws_iam_policy_document" "undelivered_events_policy" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered_events.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.alarm_state_change.arn]
    }
  }

  statement {
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.undelivered_events.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# This account's roles grant the rights; these policies only refuse unencrypted transport.
data "aws_iam_policy_document" "encrypted_transport" {
  statement {
    effect  = "Deny"
    actions = ["sqs:*"]
    resources = [
      aws_sqs_queue.rechecks.arn,
      aws_sqs_queue.surges.arn,
      aws_sqs_queue.failed_invocations.arn,
      aws_sqs_queue.dead_messages.arn,
    ]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
