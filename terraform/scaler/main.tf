# The scaler, once per account and Region: the same resources as template.yaml, under the same rules.
# template.yaml explains each; the comments here explain what differs in Terraform. Each service adds
# ../target.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  packages = coalesce(var.packages, "${path.module}/packages")

  console = {
    aws        = "console.aws.amazon.com"
    aws-cn     = "console.amazonaws.cn"
    aws-us-gov = "console.amazonaws-us-gov.com"
  }
}

# --- One per account and Region ---------------------------------------------------------------------
# If a scaler exists, however it was created, its parameter's name is taken, and creating a second scaler
# ends here. The parameter holds what services and the quickstep command need to know about the scaler.

resource "aws_ssm_parameter" "one_scaler_per_account_and_region" {
  name        = "${var.name_prefix}-scaler"
  description = "Quickstep's scaler of this account and Region"
  type        = "String"
  # In this order: templates/scalable-target.yaml finds values by position.
  value = <<-JSON
    {"ScheduleFunction": "${aws_lambda_function.schedule.arn}",
     "SchedulerRole": "${aws_iam_role.scheduler_role.arn}",
     "UndeliveredEvents": "${aws_sqs_queue.undelivered_events.arn}",
     "Stack": "${var.name}",
     "Table": "${aws_dynamodb_table.table.name}",
     "Rechecks": "${aws_sqs_queue.rechecks.url}",
     "Surges": "${aws_sqs_queue.surges.url}",
     "Resources": ${jsonencode(local.resources)}}
  JSON
}

locals {
  # Names by the template's logical ids, which quickstep doctor would otherwise get from a stack.
  resources = {
    ScalerRole          = aws_iam_role.scaler_role.name
    HeartbeatRole       = aws_iam_role.heartbeat_role.name
    ScheduleRole        = aws_iam_role.schedule_role.name
    SchedulerRole       = aws_iam_role.scheduler_role.name
    DashboardWidgetRole = aws_iam_role.dashboard_widget_role.name
    Table               = aws_dynamodb_table.table.name
    Rechecks            = aws_sqs_queue.rechecks.url
    Surges              = aws_sqs_queue.surges.url
    UndeliveredEvents   = aws_sqs_queue.undelivered_events.url
    FailedInvocations   = aws_sqs_queue.failed_invocations.url
    DeadMessages        = aws_sqs_queue.dead_messages.url
    ScalerLogs          = aws_cloudwatch_log_group.scaler_logs.name
    DashboardWidgetLogs = aws_cloudwatch_log_group.dashboard_widget_logs.name
    Schedule            = aws_lambda_function.schedule.function_name
    Scaler              = "${var.name}-scaler" # the function is created after this parameter
    ScalerAliaslive     = "${var.name}-scaler:live"
  }
}

# --- The scaler -------------------------------------------------------------------------------------

resource "aws_lambda_function" "scaler" {
  depends_on = [aws_ssm_parameter.one_scaler_per_account_and_region] # a second scaler must not run even briefly

  function_name    = "${var.name}-scaler"
  description      = "Evaluates an ECS service when one of its alarms changes state, when it is time to look again and, if something was missed, at the minute's heartbeat"
  filename         = "${local.packages}/scaler.zip"
  source_code_hash = filebase64sha256("${local.packages}/scaler.zip")
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  # Shorter than the lease on a target's item: an evaluation that takes over from a dead one can be sure that
  # it makes no more calls. The visibility timeout of rechecks depends on it, too.
  timeout     = 10
  memory_size = var.memory_size
  role        = aws_iam_role.scaler_role.arn
  layers      = [aws_lambda_layer_version.core_layer.arn, aws_lambda_layer_version.powertools_layer.arn]
  publish     = true # a version per change of code, layers or configuration; the alias follows it

  environment {
    variables = {
      TABLE_NAME             = aws_dynamodb_table.table.name
      QUEUE_URL              = aws_sqs_queue.rechecks.url
      POLICY_MAX_AGE_SECONDS = var.policy_max_age_seconds
      MAX_EVENT_AGE_SECONDS  = var.max_event_age_seconds
      RETENTION_DAYS         = var.retention_days
      EVENT_OUTCOMES         = var.event_outcomes == null ? "" : var.event_outcomes
      AWS_ENDPOINT_URL       = var.endpoint_url == null ? "" : var.endpoint_url # to boto3 an empty value equals an unset one
      POWERTOOLS_LOG_LEVEL   = var.log_level
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.scaler_logs.name
  }

  dynamic "snap_start" {
    for_each = var.snap_start ? ["PublishedVersions"] : []
    content { apply_on = snap_start.value }
  }

  lifecycle {
    precondition { # Lambda refuses both at once, but only when half of the resources exist
      condition     = !(var.snap_start && var.provisioned_concurrency > 0)
      error_message = "SnapStart on needs ProvisionedConcurrency 0"
    }
  }
}

# During a breach the function looks every ten seconds, through a queue that it fills itself. Lambda's loop
# detection would stop that after 16 looks. The loop stays bounded: a target has one chain, and each look sends
# at most one message, with a delay of at least a second.
resource "aws_lambda_function_recursion_config" "scaler" {
  function_name  = aws_lambda_function.scaler.function_name
  recursive_loop = "Allow"
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.scaler.function_name
  function_version = aws_lambda_function.scaler.version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.scaler.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

resource "aws_lambda_function_event_invoke_config" "scaler" {
  function_name = aws_lambda_function.scaler.function_name
  qualifier     = aws_lambda_alias.live.name
  # An event that Lambda throttles waits a minute at most: load changes faster.
  maximum_event_age_in_seconds = 60
  # Lambda retries an error after a minute, when the event is too old to act on. The function itself
  # retries what can be retried in time.
  maximum_retry_attempts = 0

  destination_config {
    on_failure { destination = aws_sqs_queue.failed_invocations.arn }
  }
}

resource "aws_cloudwatch_event_rule" "alarm_state_change" {
  event_pattern = jsonencode({ # every state: OK ends a breach, INSUFFICIENT_DATA holds scale-in
    source      = ["aws.cloudwatch"]
    detail-type = ["CloudWatch Alarm State Change"]
    # A bus may be open to other accounts and Regions, which may use the same alarm names.
    account = [local.account]
    region  = [local.region]
    detail  = { alarmName = [{ prefix = "quickstep/" }] }
  })
}

resource "aws_cloudwatch_event_target" "alarm_state_change" {
  rule = aws_cloudwatch_event_rule.alarm_state_change.name
  arn  = aws_lambda_alias.live.arn

  retry_policy {
    maximum_event_age_in_seconds = 60  # the default is a day
    maximum_retry_attempts       = 185 # EventBridge's default; the provider would set 0
  }
  dead_letter_config { arn = aws_sqs_queue.undelivered_events.arn }
}

resource "aws_lambda_permission" "alarm_state_change" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.scaler.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.alarm_state_change.arn
}

resource "aws_lambda_event_source_mapping" "recheck" {
  depends_on = [aws_iam_role_policy.scaler_role] # Lambda tries it when the mapping is created

  event_source_arn        = aws_sqs_queue.rechecks.arn
  function_name           = aws_lambda_alias.live.arn
  batch_size              = 1 # one message, one invocation: template.yaml says why
  function_response_types = ["ReportBatchItemFailures"]
}

resource "aws_lambda_event_source_mapping" "surge" {
  depends_on = [aws_iam_role_policy.scaler_role]

  event_source_arn = aws_sqs_queue.surges.arn
  function_name    = aws_lambda_alias.live.arn
  batch_size       = 1
  scaling_config { maximum_concurrency = 10 }
  # No function_response_types: a message never goes back, or its group would wait for it.
}

resource "aws_scheduler_schedule" "heartbeat" {
  description         = "Lets the scaler look for what it missed, and keeps it warm"
  schedule_expression = "rate(1 minute)" # the minimum
  flexible_time_window { mode = "OFF" }
  target {
    arn      = aws_lambda_alias.live.arn
    role_arn = aws_iam_role.heartbeat_role.arn
    input    = "{\"heartbeat\": {}}"
    retry_policy { # after a minute the next heartbeat comes, and does the same
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 3
    }
    dead_letter_config { arn = aws_sqs_queue.undelivered_events.arn }
  }
}

resource "aws_lambda_layer_version" "core_layer" {
  layer_name               = "${var.name}-core"
  description              = "Quickstep's own code"
  filename                 = "${local.packages}/core.zip"
  source_code_hash         = filebase64sha256("${local.packages}/core.zip")
  compatible_runtimes      = ["python3.13"]
  compatible_architectures = ["arm64"]
}

resource "aws_lambda_layer_version" "powertools_layer" {
  layer_name               = "${var.name}-powertools"
  description              = "Powertools for AWS Lambda; boto3 is the runtime's own"
  filename                 = "${local.packages}/powertools.zip"
  source_code_hash         = filebase64sha256("${local.packages}/powertools.zip")
  compatible_runtimes      = ["python3.13"]
  compatible_architectures = ["arm64"]
}

# --- Scheduled actions ------------------------------------------------------------------------------

resource "aws_lambda_function" "schedule" {
  function_name    = "${var.name}-schedule"
  description      = "Turns a scheduled action into an override of a service's bounds"
  filename         = "${local.packages}/schedule.zip"
  source_code_hash = filebase64sha256("${local.packages}/schedule.zip")
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  timeout          = 10 # as for the scaler: one call may hang through all its retries
  memory_size      = var.memory_size
  role             = aws_iam_role.schedule_role.arn
  layers           = [aws_lambda_layer_version.core_layer.arn, aws_lambda_layer_version.powertools_layer.arn]

  environment {
    variables = {
      TABLE_NAME           = aws_dynamodb_table.table.name
      QUEUE_URL            = aws_sqs_queue.rechecks.url
      AWS_ENDPOINT_URL     = var.endpoint_url == null ? "" : var.endpoint_url
      POWERTOOLS_LOG_LEVEL = var.log_level
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.scaler_logs.name
  }
}

resource "aws_lambda_function_event_invoke_config" "schedule" {
  function_name = aws_lambda_function.schedule.function_name
  # A repeated action changes nothing, so it may be retried, 1 and 2 minutes later.
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 900

  destination_config {
    on_failure { destination = aws_sqs_queue.failed_invocations.arn }
  }
}

resource "aws_cloudwatch_log_group" "scaler_logs" {
  name              = "/aws/lambda/${var.name}-scaler"
  retention_in_days = var.retention_days
}

resource "aws_dynamodb_table" "table" {
  name         = "${var.name}-table"
  hash_key     = "pk"
  range_key    = "sk"
  billing_mode = "PAY_PER_REQUEST" # idle for hours, then several writes a second
  # The record of what the scaler did, and why, outlives it, as the stack retains its table: docs/removing.md.
  deletion_protection_enabled = true

  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "S"
  }
  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
  point_in_time_recovery { enabled = true }
  server_side_encryption { enabled = true }
}

# --- Queues -----------------------------------------------------------------------------------------

resource "aws_sqs_queue" "rechecks" {
  name                       = "${var.name}-rechecks"
  visibility_timeout_seconds = 60   # six times the function's timeout, as Lambda recommends
  message_retention_seconds  = 1200 # at most 15 minutes of delay, then three tries, a minute apart
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_messages.arn
    maxReceiveCount     = 3 # by then, the heartbeat has started another chain
  })
  sqs_managed_sse_enabled = true
}

# Tasks send {"resource_id", "at"} to it. Whatever else it says, a message only asks for a look at a service.
resource "aws_sqs_queue" "surges" {
  name                       = "${var.name}-surges.fifo"
  fifo_queue                 = true
  deduplication_scope        = "messageGroup"
  fifo_throughput_limit      = "perMessageGroupId"
  message_retention_seconds  = 60
  visibility_timeout_seconds = 10
  sqs_managed_sse_enabled    = true
}

resource "aws_sqs_queue" "undelivered_events" {
  name                      = "${var.name}-undelivered-events"
  message_retention_seconds = 1209600 # 14 days, the longest
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "failed_invocations" {
  name                      = "${var.name}-failed-invocations"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "dead_messages" {
  name                      = "${var.name}-dead-messages"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "undelivered_events_policy" {
  queue_url = aws_sqs_queue.undelivered_events.url
  policy    = data.aws_iam_policy_document.undelivered_events_policy.json
}

resource "aws_sqs_queue_policy" "encrypted_transport" {
  for_each = {
    rechecks           = aws_sqs_queue.rechecks.url
    surges             = aws_sqs_queue.surges.url
    failed-invocations = aws_sqs_queue.failed_invocations.url
    dead-messages      = aws_sqs_queue.dead_messages.url
  }

  queue_url = each.value
  policy    = data.aws_iam_policy_document.encrypted_transport.json
}

# --- For people -------------------------------------------------------------------------------------

resource "aws_lambda_function" "dashboard_widget" {
  function_name    = "${var.name}-dashboard"
  description      = "Shows a service's scaling decisions in the CloudWatch dashboard; reads only"
  filename         = "${local.packages}/dashboard.zip"
  source_code_hash = filebase64sha256("${local.packages}/dashboard.zip")
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  timeout          = 10
  memory_size      = 1024 # CPU grows with it, and somebody waits for the response
  role             = aws_iam_role.dashboard_widget_role.arn
  layers           = [aws_lambda_layer_version.core_layer.arn]

  environment {
    variables = {
      TABLE_NAME       = aws_dynamodb_table.table.name
      AWS_ENDPOINT_URL = var.endpoint_url == null ? "" : var.endpoint_url
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.dashboard_widget_logs.name
  }
}

resource "aws_cloudwatch_log_group" "dashboard_widget_logs" {
  name              = "/aws/lambda/${var.name}-dashboard"
  retention_in_days = var.retention_days
}

resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = "${var.name}-dashboard"
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    region             = local.region
    widget             = aws_lambda_function.dashboard_widget.arn
    scaler             = aws_lambda_function.scaler.function_name
    log_group          = aws_cloudwatch_log_group.scaler_logs.name
    alarms             = [for alarm in local.alarm_order : aws_cloudwatch_metric_alarm.scaler[alarm].arn]
    undelivered_events = aws_sqs_queue.undelivered_events.name
    failed_invocations = aws_sqs_queue.failed_invocations.name
    dead_messages      = aws_sqs_queue.dead_messages.name
  })
}
