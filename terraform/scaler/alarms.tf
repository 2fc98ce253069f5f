# Who is notified. No alarm's name may start with quickstep/, or its event would reach the scaler.

resource "aws_sns_topic" "notifications" {
  count = var.alarm_email == null ? 0 : 1

  name = "${var.name}-notifications"
}

resource "aws_sns_topic_subscription" "notifications" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.notifications[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  alarms = {
    undelivered-events = {
      description = "EventBridge could not deliver alarm state changes, heartbeats or scheduled actions: capacity did not follow them."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.undelivered_events.name }
      statistic   = "Maximum"
    }
    failed-invocations = {
      description = "The scaler gave up on alarm state changes, heartbeats or scheduled actions; the queue's messages have the event and the error."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.failed_invocations.name }
      statistic   = "Maximum"
    }
    dead-messages = {
      description = "The scaler failed three times to look at a service again; its log has the tracebacks. The queue's messages name the service."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.dead_messages.name }
      statistic   = "Maximum"
    }
    scaler-errors = {
      description = "The scaler failed with an unexpected error; its log has the traceback."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = aws_lambda_function.scaler.function_name }
      statistic   = "Sum"
    }
    scaler-throttles = {
      description = "The account's Lambda concurrency is used up: the scaler waits, and so does scaling."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = aws_lambda_function.scaler.function_name }
      statistic   = "Sum"
    }
    failed-decisions = {
      description = "A decision could not be made or carried out: a service or policy document is missing, wrong or denied, or an API is throttled. The decision record says which."
      namespace   = "Quickstep"
      metric      = "FailedDecisions"
      dimensions  = {}
      statistic   = "Sum"
    }
    no-capacity = {
      description = "A service needs tasks that never came: tasks fail to start, an image cannot be pulled, or no address or capacity is left. The decision record has ECS's own words."
      namespace   = "Quickstep"
      metric      = "NoCapacityDecisions"
      dimensions  = {}
      statistic   = "Sum"
    }
    refused-events = {
      description = "The scaler received an unreadable event, for example from an alarm whose name starts with quickstep/ but does not continue with cluster, service and policy; or a scheduled action breaks a rule."
      namespace   = "Quickstep"
      metric      = "RefusedEvents"
      dimensions  = {}
      statistic   = "Sum"
    }
    schedule-errors = {
      description = "A scheduled action failed and may not be in force; Lambda retries it twice. The log has the traceback."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = aws_lambda_function.schedule.function_name }
      statistic   = "Sum"
    }
  }
  alarm_order = [ # as the dashboard shows them
    "undelivered-events", "failed-invocations", "dead-messages", "scaler-errors", "scaler-throttles",
    "failed-decisions", "no-capacity", "refused-events", "schedule-errors",
  ]
}

resource "aws_cloudwatch_metric_alarm" "scaler" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching" # an idle queue reports nothing; no invocation, no error
  alarm_actions       = aws_sns_topic.notifications[*].arn
}
