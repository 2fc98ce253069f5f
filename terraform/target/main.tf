# Everything that scaling one ECS service needs: the same resources as templates/scalable-target.yaml, under
# the same names. The scaler itself is ../scaler, once per account and Region.
#
# Names connect the parts, without a registry: the alarm quickstep/<cluster>/<service>/<policy> drives that
# policy in the document /quickstep/<cluster>/<service>. A target policy's alarm ends with /high.

# In a Region without a scaler the plan fails here, before anything is created.
data "aws_ssm_parameter" "scaler" {
  name = var.scaler
}

locals {
  resource_id = "service/${var.cluster_name}/${var.service_name}"
  alarm       = "quickstep/${var.cluster_name}/${var.service_name}"
  namespace   = coalesce(var.namespace, "Quickstep/${var.cluster_name}/${var.service_name}")
  of_service  = { ClusterName = var.cluster_name, ServiceName = var.service_name }

  has_target   = var.target_value != null
  has_steps    = !local.has_target && var.signal != "none"
  has_document = var.document != null
  has_math     = local.has_target && var.expression != null

  # AWS's metrics and how to read their values. RequestCountPerTarget's only statistic is Sum, which is the
  # average over the targets.
  signals = {
    metric = {
      policy    = var.metric == "RequestsPerSecond" ? "request-rate" : var.metric
      namespace = local.namespace
      metric    = var.metric
      statistic = var.statistic
      period    = var.period
      scope     = var.halves_when_tasks_double ? "PerTask" : "Total"
    }
    cpu = {
      policy    = "cpu"
      namespace = "AWS/ECS"
      metric    = "CPUUtilization"
      statistic = "Average"
      period    = 20
      scope     = "PerTask"
    }
    memory = {
      policy    = "memory"
      namespace = "AWS/ECS"
      metric    = "MemoryUtilization"
      statistic = "Average"
      period    = 20
      scope     = "PerTask"
    }
    requests-per-target = {
      policy    = "requests-per-target"
      namespace = "AWS/ApplicationELB"
      metric    = "RequestCountPerTarget"
      statistic = "Sum"
      period    = 60
      scope     = "PerTask"
    }
    response-time = {
      policy    = "response-time"
      namespace = "AWS/ApplicationELB"
      metric    = "TargetResponseTime"
      statistic = "Average"
      period    = 60
      scope     = "PerTask"
    }
    queue-depth = {
      policy    = "queue-depth"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      statistic = "Average"
      period    = 60
      scope     = "Total"
    }
  }
  signal     = lookup(local.signals, var.signal, local.signals.metric)
  dimensions = length(var.dimensions) > 0 ? var.dimensions : local.of_service
  only_adds  = var.metric == "QueueTime" || var.signal == "response-time"

  target_document = {
    ResourceId  = local.resource_id
    MinCapacity = var.min_capacity
    MaxCapacity = var.max_capacity
    TargetTrackingPolicies = {
      (local.signal.policy) = merge(
        { TargetValue = var.target_value },
        { for key, value in { MetricScope = "Total" } : key => value if local.signal.scope == "Total" },
        { for key, value in { DisableScaleIn = true } : key => value if local.only_adds },
      )
    }
    WarmupSeconds  = var.warmup_seconds
    PublishSeconds = var.publish_seconds
    DryRun         = var.dry_run
  }

  # Bounds count from the alarm's threshold: from 100 to 150 requests per second and task add one task, up
  # to 200 two, above that four.
  steps_document = {
    ResourceId  = local.resource_id
    MinCapacity = var.min_capacity
    MaxCapacity = var.max_capacity
    ScaleOutPolicies = {
      high-request-rate = {
        AdjustmentType = "ChangeInCapacity"
        Cooldown       = var.scale_out_cooldown
        MetricScope    = "PerTask"
        StepAdjustments = [
          { MetricIntervalLowerBound = 0, MetricIntervalUpperBound = 50, ScalingAdjustment = 1 },
          { MetricIntervalLowerBound = 50, MetricIntervalUpperBound = 100, ScalingAdjustment = 2 },
          { MetricIntervalLowerBound = 100, ScalingAdjustment = 4 },
        ]
      }
    }
    ScaleInPolicies = {
      low-request-rate = {
        AdjustmentType  = "ChangeInCapacity"
        Cooldown        = var.scale_in_cooldown
        MetricScope     = "PerTask"
        StepAdjustments = [{ MetricIntervalUpperBound = 0, ScalingAdjustment = -1 }]
      }
    }
    WarmupSeconds  = var.warmup_seconds
    PublishSeconds = var.publish_seconds
    Guards         = { CapacityOnItsWay = true, RisingTrend = true, WouldFlap = true, Deployment = true }
    DryRun         = var.dry_run
  }
  made_document = local.has_target ? jsonencode(local.target_document) : jsonencode(local.steps_document)
}

resource "aws_cloudwatch_metric_alarm" "high_request_rate" {
  count = local.has_steps ? 1 : 0

  alarm_name          = "${local.alarm}/high-request-rate"
  alarm_description   = "Scales the service out, through Quickstep's EventBridge rule; no action is needed here."
  namespace           = local.namespace
  metric_name         = var.metric
  dimensions          = local.of_service
  statistic           = "Average" # each task publishes its own rate, so this is the load per task
  period              = 10
  evaluation_periods  = 1 # one datapoint is enough: being late costs more than one task too many
  threshold           = var.scale_out_threshold
  comparison_operator = "GreaterThanThreshold"
  # INSUFFICIENT_DATA shows the scaler that the load is unknown and must not be taken for low. With
  # notBreaching the alarm would be OK while every task is gone.
  treat_missing_data = "missing"
}

resource "aws_cloudwatch_metric_alarm" "low_request_rate" {
  count = local.has_steps ? 1 : 0

  alarm_name          = "${local.alarm}/low-request-rate"
  alarm_description   = "Scales the service in, through Quickstep's EventBridge rule; no action is needed here."
  namespace           = local.namespace
  metric_name         = var.metric
  dimensions          = local.of_service
  statistic           = "Average"
  period              = 10
  evaluation_periods  = 3 # half a minute of low load: one task too many is cheap, one too few is not
  datapoints_to_alarm = 3
  threshold           = var.scale_in_threshold
  comparison_operator = "LessThanThreshold"
  # Silence is not low load. With missing, one low datapoint followed by none would fire the alarm.
  treat_missing_data = "notBreaching"
}

# A target policy checks for scale-in while this alarm is OK, too, so it needs no other alarm.
resource "aws_cloudwatch_metric_alarm" "above_target" {
  count = local.has_target && !local.has_math ? 1 : 0

  alarm_name          = "${local.alarm}/${local.signal.policy}/high"
  alarm_description   = "Sizes the service, through Quickstep's EventBridge rule; no action is needed here."
  namespace           = local.signal.namespace
  metric_name         = local.signal.metric
  dimensions          = local.dimensions
  statistic           = local.signal.statistic
  period              = local.signal.period
  evaluation_periods  = 1
  threshold           = var.target_value
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "missing" # as for high-request-rate
}

resource "aws_cloudwatch_metric_alarm" "above_target_by_math" { # the same alarm, over an expression
  count = local.has_math ? 1 : 0

  alarm_name          = "${local.alarm}/${local.signal.policy}/high"
  alarm_description   = "Sizes the service, through Quickstep's EventBridge rule; no action is needed here."
  evaluation_periods  = 1
  threshold           = var.target_value
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "missing"

  metric_query {
    id          = "result"
    expression  = var.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = merge({ m1 = local.signal.metric }, var.second_metric == null ? {} : { m2 = var.second_metric })

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = local.signal.namespace
        metric_name = metric_query.value
        dimensions  = local.dimensions
        stat        = local.signal.statistic
        period      = local.signal.period
      }
    }
  }
}

resource "aws_ssm_parameter" "policy_document_parameter" {
  name        = "/quickstep/${var.cluster_name}/${var.service_name}"
  description = "Quickstep's policy document of this service"
  type        = "String"
  value       = local.has_document ? var.document : local.made_document # check a changed one with `quickstep validate`
  tags        = { "quickstep:owner" = "terraform" }

  lifecycle {
    precondition {
      condition     = var.min_capacity <= var.max_capacity
      error_message = "MaxCapacity must be at least MinCapacity."
    }
    precondition { # else dry_run = true would scale for real
      condition     = !(local.has_document && var.dry_run)
      error_message = "if Document is given, set DryRun in it, not as a parameter"
    }
    precondition { # the steps' alarms watch RequestsPerSecond, or metric, per task
      condition = local.has_target || (contains(["metric", "none"], var.signal) && length(var.dimensions) == 0
        && var.halves_when_tasks_double && var.statistic == "Average" && var.period == 10
      && var.expression == null)
      error_message = "Signal, Dimensions, HalvesWhenTasksDouble, Statistic, Period and Expression go with TargetValue"
    }
    precondition { # a document made from the variables would lack its alarms
      condition     = var.signal != "none" || (local.has_document && !local.has_target)
      error_message = "Signal none makes no alarm, so it goes with Document, and without TargetValue"
    }
    precondition {
      condition = (length(var.dimensions) > 0
      || !contains(["requests-per-target", "response-time", "queue-depth"], var.signal))
      error_message = "with this Signal, give Dimensions, e.g. QueueName=jobs"
    }
    precondition {
      condition     = var.second_metric == null || var.expression != null
      error_message = "SecondMetric is m2 of Expression, e.g. 100 * m1 / m2"
    }
    precondition { # the steps' bounds are in requests: 50 above a threshold of 0.6
      condition     = local.has_target || !contains(["Utilization", "QueueTime"], var.metric)
      error_message = "with Utilization or QueueTime as Metric, give TargetValue, e.g. 0.6 or 50"
    }
    precondition {
      condition     = (var.off_hours_start == null) == (var.off_hours_end == null)
      error_message = "OffHoursStart and OffHoursEnd go together, or are both empty"
    }
    precondition {
      condition     = (var.expected_traffic_start == null) == (var.expected_traffic_end == null)
      error_message = "ExpectedTrafficStart and ExpectedTrafficEnd go together, or are both empty"
    }
  }
}

# --- Schedules --------------------------------------------------------------------------------------
# One role serves all services' schedules; each names its service in its input. If two of them set a bound,
# the larger one applies (docs/operations.md).

locals {
  scaler = jsondecode(data.aws_ssm_parameter.scaler.insecure_value) # a String parameter, not a secret
}

resource "aws_scheduler_schedule" "off_hours_begin" {
  count = var.off_hours_start == null ? 0 : 1

  description                  = "Fewer tasks in off hours"
  schedule_expression          = var.off_hours_start
  schedule_expression_timezone = var.schedule_time_zone
  flexible_time_window { mode = "OFF" }
  target {
    arn      = local.scaler.ScheduleFunction
    role_arn = local.scaler.SchedulerRole
    input = replace(replace(jsonencode({
      ResourceId  = local.resource_id
      Name        = "off-hours"
      At          = "<aws.scheduler.scheduled-time>"
      For         = var.off_hours_longest
      MinCapacity = var.off_hours_min_capacity
      MaxCapacity = var.off_hours_max_capacity
      Reason      = "off hours"
    }), "\\u003c", "<"), "\\u003e", ">") # jsonencode escapes < and >; the Scheduler needs the plain text
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 10
    }
    dead_letter_config { arn = local.scaler.UndeliveredEvents }
  }
}

resource "aws_scheduler_schedule" "off_hours_over" {
  count = var.off_hours_start == null ? 0 : 1

  description                  = "The policy's bounds again"
  schedule_expression          = var.off_hours_end
  schedule_expression_timezone = var.schedule_time_zone
  flexible_time_window { mode = "OFF" }
  target {
    arn      = local.scaler.ScheduleFunction
    role_arn = local.scaler.SchedulerRole
    input = replace(replace(jsonencode({
      ResourceId = local.resource_id
      Name       = "off-hours"
      At         = "<aws.scheduler.scheduled-time>"
      End        = true
    }), "\\u003c", "<"), "\\u003e", ">")
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 10
    }
    dead_letter_config { arn = local.scaler.UndeliveredEvents }
  }
}

resource "aws_scheduler_schedule" "expected_traffic_begin" {
  count = var.expected_traffic_start == null ? 0 : 1

  description                  = "More tasks before the traffic comes"
  schedule_expression          = var.expected_traffic_start
  schedule_expression_timezone = var.schedule_time_zone
  flexible_time_window { mode = "OFF" }
  target {
    arn      = local.scaler.ScheduleFunction
    role_arn = local.scaler.SchedulerRole
    input = replace(replace(jsonencode({
      ResourceId  = local.resource_id
      Name        = "expected-traffic"
      At          = "<aws.scheduler.scheduled-time>"
      For         = var.expected_traffic_longest
      MinCapacity = var.expected_traffic_min_capacity
      Reason      = "expected traffic"
    }), "\\u003c", "<"), "\\u003e", ">")
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 10
    }
    dead_letter_config { arn = local.scaler.UndeliveredEvents }
  }
}

resource "aws_scheduler_schedule" "expected_traffic_over" {
  count = var.expected_traffic_start == null ? 0 : 1

  description                  = "The policy's bounds again"
  schedule_expression          = var.expected_traffic_end
  schedule_expression_timezone = var.schedule_time_zone
  flexible_time_window { mode = "OFF" }
  target {
    arn      = local.scaler.ScheduleFunction
    role_arn = local.scaler.SchedulerRole
    input = replace(replace(jsonencode({
      ResourceId = local.resource_id
      Name       = "expected-traffic"
      At         = "<aws.scheduler.scheduled-time>"
      End        = true
    }), "\\u003c", "<"), "\\u003e", ">")
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 10
    }
    dead_letter_config { arn = local.scaler.UndeliveredEvents }
  }
}
