# A scheduled drill: a pulse on its own metric follows a surge's path, from CloudWatch to a decision on one
# service that is only recorded. An alarm fires if no decision comes.

locals {
  drills = toset(var.drill_target == null ? [] : [var.drill_target])

  # Seconds in which to look for DrillLatency: the minutes between two drills, and 5 or more.
  watched = { "5" = 600, "15" = 1200, "60" = 3900 }
}

resource "aws_scheduler_schedule" "pulse_schedule" {
  for_each = local.drills

  description         = "Sends the drill's pulse"
  schedule_expression = "rate(${var.drill_minutes} minutes)"
  flexible_time_window { mode = "OFF" }
  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:cloudwatch:putMetricData"
    role_arn = aws_iam_role.pulse_role[each.key].arn
    input = jsonencode({
      Namespace = "Quickstep/Drill"
      MetricData = [{
        MetricName        = "Pulse"
        Dimensions        = [{ Name = "ResourceId", Value = each.key }]
        Value             = 1
        StorageResolution = 1
      }]
    })
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 3
    }
    dead_letter_config { arn = aws_sqs_queue.undelivered_events.arn }
  }
}

resource "aws_iam_role" "pulse_role" {
  for_each = local.drills

  name_prefix        = "${var.name}-pulse-"
  assume_role_policy = data.aws_iam_policy_document.scheduler.json
}

resource "aws_iam_role_policy" "pulse_role" {
  for_each = local.drills

  name   = "Pulse"
  role   = aws_iam_role.pulse_role[each.key].id
  policy = data.aws_iam_policy_document.pulse_role.json
}

data "aws_iam_policy_document" "pulse_role" {
  statement {
    sid       = "SendThePulse" # in no other namespace, so it cannot fake a service's load
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"] # the action supports no resources

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["Quickstep/Drill"]
    }
  }

  statement {
    sid       = "SendUndeliveredPulses"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered_events.arn]
  }
}

resource "aws_cloudwatch_metric_alarm" "pulse" {
  for_each = local.drills

  # After the service's name comes no policy's name: this distinguishes a drill from a surge.
  alarm_name          = "quickstep/${trimprefix(each.key, "service/")}/drill/pulse"
  alarm_description   = "Quickstep's drill, which changes no capacity; it returns to OK by itself. No action is needed here."
  namespace           = "Quickstep/Drill"
  metric_name         = "Pulse"
  dimensions          = { ResourceId = each.key }
  statistic           = "Maximum"
  period              = 10 # like a scale-out alarm's, so that the drill tests the same clocks
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching" # between two pulses
}

resource "aws_cloudwatch_metric_alarm" "missed_drill" {
  for_each = local.drills

  alarm_name          = "${var.name}-missed-drill"
  alarm_description   = "A drill led to no decision in time. Something between CloudWatch and a decision is broken or slow: the alarm's rule, the function, its permissions, the service or its document. A surge would not be answered either."
  evaluation_periods  = 1
  threshold           = var.drill_seconds
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching" # if there is nothing at all to fill from
  alarm_actions       = aws_sns_topic.notifications[*].arn

  # Filled, because CloudWatch looks back beyond a period without a value, for two more or so: with
  # treat_missing_data alone, the alarm would come that much later.
  metric_query {
    id          = "seconds"
    expression  = "FILL(latency, 3600000) / 1000"
    return_data = true
  }

  metric_query {
    id          = "latency"
    return_data = false

    metric {
      namespace   = "Quickstep"
      metric_name = "DrillLatency"
      dimensions  = { ResourceId = each.key }
      period      = local.watched[var.drill_minutes]
      stat        = "Maximum"
    }
  }
}
