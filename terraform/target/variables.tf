# Made from the template's parameters: python -m docs.generate

variable "cluster_name" {
  description = "Name of the ECS cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.cluster_name))
    error_message = "cluster_name must be a cluster's name of letters, digits, - and _"
  }
}

variable "service_name" {
  description = "Name of the ECS service."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.service_name))
    error_message = "service_name must be a service's name of letters, digits, - and _"
  }
}

variable "min_capacity" {
  description = "Minimum number of tasks. Keep enough for the first seconds of a surge."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.min_capacity >= 0 && var.min_capacity <= 5000
    error_message = "min_capacity must be from 0 to 5000"
  }
}

variable "max_capacity" {
  description = "Maximum number of tasks; at least min_capacity."
  type        = number
  default     = 40
  nullable    = false

  validation {
    condition     = var.max_capacity >= 0 && var.max_capacity <= 5000
    error_message = "max_capacity must be from 0 to 5000"
  }
}

variable "dry_run" {
  description = "Whether to record decisions without carrying them out."
  type        = bool
  default     = false
  nullable    = false
}

variable "target_value" {
  description = "Load per task, e.g. 100 requests per second. This one number scales the service out and in. Empty to scale by the steps below."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.target_value, 1) > 0 && coalesce(var.target_value, 1) < 1000000000
    error_message = "target_value must be a number above 0 and below 1000000000, like 100 or 0.5"
  }
}

variable "signal" {
  description = "What target_value's alarm watches. metric: metric below. cpu, memory: ECS's own metrics, in percent, every 20 s once high-resolution metrics are on for the service; quickstep doctor says how. requests-per-target, response-time: the load balancer's metrics, in requests per minute and target, and in seconds, published once a minute. queue-depth: visible messages of an SQS queue, also once a minute; target_value is how many of them may wait per task. All signals except metric and none need target_value. none: no alarm, for a document with only QueuePolicies, or with alarms made elsewhere."
  type        = string
  default     = "metric"
  nullable    = false

  validation {
    condition     = contains(["metric", "cpu", "memory", "requests-per-target", "response-time", "queue-depth", "none"], var.signal)
    error_message = "signal must be one of metric, cpu, memory, requests-per-target, response-time, queue-depth, none"
  }
}

variable "dimensions" {
  description = "The metric's dimensions. Empty for the service's cluster_name and service_name, which the publisher's and ECS's metrics have. requests-per-target: TargetGroup=targetgroup/web/73e2d6bc24d8a067; response-time: the same, and LoadBalancer=app/web/50dc6c495c0c9188; queue-depth: QueueName=jobs."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.dimensions) <= 3
    error_message = "dimensions must be up to three of Name = Value"
  }
}

variable "metric" {
  description = "metric that the alarms watch, one value per task. target_value and the thresholds are in its unit. The publisher's Utilization is a share of 1 (a target_value of 0.6), its QueueTime is in milliseconds (50); both need target_value. QueueTime only adds tasks, because 0 does not mean that one may go."
  type        = string
  default     = "RequestsPerSecond"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,128}$", var.metric))
    error_message = "metric must be a metric's name of letters, digits, -, _ and ."
  }
}

variable "namespace" {
  description = "CloudWatch namespace that the service publishes metric to, at StorageResolution 1, with the dimensions cluster_name and service_name. Empty for its own, Quickstep/<cluster>/<service>, which IAM can restrict to its task role."
  type        = string
  default     = null

  validation {
    condition     = var.namespace == null || can(regex("^([^:\\s][^\\s]{0,254})$", var.namespace))
    error_message = "namespace must be a CloudWatch namespace of up to 255 characters without spaces"
  }
}

variable "halves_when_tasks_double" {
  description = "Does metric halve when the tasks double? yes for a load per task, such as its requests per second. no for a number of the whole service, such as all waiting jobs: it is divided by target_value, and also works from 0 tasks."
  type        = bool
  default     = true
  nullable    = false
}

variable "statistic" {
  description = "statistic of metric, or of m1 and m2 in expression."
  type        = string
  default     = "Average"
  nullable    = false

  validation {
    condition     = contains(["Average", "Sum", "Minimum", "Maximum", "SampleCount"], var.statistic)
    error_message = "statistic must be one of Average, Sum, Minimum, Maximum, SampleCount"
  }
}

variable "period" {
  description = "Seconds between metric's datapoints. Below 60, metric must be published with StorageResolution 1. Tasks are counted only with an Average of 10, 20 or 30 s."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = contains([10, 20, 30, 60], var.period)
    error_message = "period must be one of 10, 20, 30, 60"
  }
}

variable "expression" {
  description = "metric math to watch in place of the metric: m1 is signal's metric, m2 is second_metric. Example: 100 * m1 / m2. Empty for none."
  type        = string
  default     = null

  validation {
    condition     = var.expression == null || can(regex("^(.*[^\\s].*)$", var.expression)) && try(length(var.expression) <= 1024, true)
    error_message = "expression must be one line of metric math"
  }
}

variable "second_metric" {
  description = "The metric m2 in expression, with the namespace, dimensions, statistic and period of m1. Empty for none."
  type        = string
  default     = null

  validation {
    condition     = var.second_metric == null || can(regex("^([A-Za-z0-9._-]{1,128})$", var.second_metric))
    error_message = "second_metric must be a metric's name of letters, digits, -, _ and ."
  }
}

variable "scale_out_threshold" {
  description = "Requests per second and task, or metric's value, above which tasks are added."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.scale_out_threshold >= 0
    error_message = "scale_out_threshold must be at least 0"
  }
}

variable "scale_out_cooldown" {
  description = "Seconds until a breach of the same size adds tasks again; a larger one does not wait. Steps only."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.scale_out_cooldown >= 0 && var.scale_out_cooldown <= 86400
    error_message = "scale_out_cooldown must be from 0 to 86400"
  }
}

variable "scale_in_threshold" {
  description = "Requests per second and task, or metric's value, below which tasks are removed, one at a time. Below half of scale_out_threshold, a removal cannot push the remaining tasks into a scale-out."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.scale_in_threshold >= 0
    error_message = "scale_in_threshold must be at least 0"
  }
}

variable "scale_in_cooldown" {
  description = "Seconds between two removals. Steps only; with target_value it is 30."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.scale_in_cooldown >= 0 && var.scale_in_cooldown <= 86400
    error_message = "scale_in_cooldown must be from 0 to 86400"
  }
}

variable "publish_seconds" {
  description = "Seconds between two values from a task, by which tasks are counted: 1 if the publisher sends whole seconds, 5 with QUICKSTEP_SECONDS=0."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.publish_seconds >= 1 && var.publish_seconds <= 60
    error_message = "publish_seconds must be from 1 to 60"
  }
}

variable "warmup_seconds" {
  description = "Seconds from a task's launch until it takes its share of the load. A rising load is expected to continue for this long. A launched task counts as warming for this long if its samples are not counted."
  type        = number
  default     = 45
  nullable    = false

  validation {
    condition     = var.warmup_seconds >= 0 && var.warmup_seconds <= 86400
    error_message = "warmup_seconds must be from 0 to 86400"
  }
}

variable "document" {
  description = "Whole policy document, in place of one made from the parameters above; quickstep validate checks it, and lists the alarms that it needs. The stack creates request-rate/high (or <metric>/high) if target_value is given, no alarm with signal none, else high-request-rate and low-request-rate. Create any other alarm yourself or with quickstep apply --alarms; quickstep doctor names missing ones. Empty for none."
  type        = string
  default     = null

  validation {
    condition     = var.document == null || can(regex("^(\\s*\\{[\\s\\S]*\\}\\s*)$", var.document)) && try(length(var.document) <= 4096, true)
    error_message = "document must be a JSON object of up to 4096 characters"
  }
}

variable "off_hours_start" {
  description = "When off hours start, e.g. cron(0 20 ? * MON-FRI *). Empty for never."
  type        = string
  default     = null

  validation {
    condition     = var.off_hours_start == null || can(regex("^((cron|at)\\([^()]{1,100}\\))$", var.off_hours_start))
    error_message = "off_hours_start must be empty, cron(...) or at(...)"
  }
}

variable "off_hours_end" {
  description = "When off hours end, e.g. cron(0 7 ? * MON-FRI *)."
  type        = string
  default     = null

  validation {
    condition     = var.off_hours_end == null || can(regex("^((cron|at)\\([^()]{1,100}\\))$", var.off_hours_end))
    error_message = "off_hours_end must be empty, cron(...) or at(...)"
  }
}

variable "off_hours_min_capacity" {
  description = "Minimum number of tasks in off hours; 0 only if min_capacity is 0, too."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.off_hours_min_capacity >= 0 && var.off_hours_min_capacity <= 5000
    error_message = "off_hours_min_capacity must be from 0 to 5000"
  }
}

variable "off_hours_max_capacity" {
  description = "Maximum number of tasks in off hours."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.off_hours_max_capacity >= 0 && var.off_hours_max_capacity <= 5000
    error_message = "off_hours_max_capacity must be from 0 to 5000"
  }
}

variable "off_hours_longest" {
  description = "Maximum duration of off hours, including weekends, in case their end is lost."
  type        = string
  default     = "3d"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{1,3}[dhm]$", var.off_hours_longest))
    error_message = "off_hours_longest must be a number of d, h or m"
  }
}

variable "expected_traffic_start" {
  description = "When to add tasks before the traffic comes, e.g. cron(50 8 ? * MON-FRI *) or at(2026-11-27T17:50:00). Empty for never."
  type        = string
  default     = null

  validation {
    condition     = var.expected_traffic_start == null || can(regex("^((cron|at)\\([^()]{1,100}\\))$", var.expected_traffic_start))
    error_message = "expected_traffic_start must be empty, cron(...) or at(...)"
  }
}

variable "expected_traffic_end" {
  description = "When expected traffic ends, e.g. cron(0 10 ? * MON-FRI *)."
  type        = string
  default     = null

  validation {
    condition     = var.expected_traffic_end == null || can(regex("^((cron|at)\\([^()]{1,100}\\))$", var.expected_traffic_end))
    error_message = "expected_traffic_end must be empty, cron(...) or at(...)"
  }
}

variable "expected_traffic_min_capacity" {
  description = "Minimum number of tasks while traffic is expected; the policy adds tasks as usual."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.expected_traffic_min_capacity >= 1 && var.expected_traffic_min_capacity <= 5000
    error_message = "expected_traffic_min_capacity must be from 1 to 5000"
  }
}

variable "expected_traffic_longest" {
  description = "Maximum duration of expected traffic, in case its end is lost."
  type        = string
  default     = "12h"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{1,3}[dhm]$", var.expected_traffic_longest))
    error_message = "expected_traffic_longest must be a number of d, h or m"
  }
}

variable "schedule_time_zone" {
  description = "Time zone of all schedules, e.g. Europe/Berlin; daylight saving time is observed."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+/-]{1,50}$", var.schedule_time_zone))
    error_message = "schedule_time_zone must be a name of the IANA time zone database"
  }
}

variable "scaler" {
  description = "SSM parameter created by the scaler's stack, its output ScalerParameter. Deploy the scaler first, once per account and Region."
  type        = string
  default     = "/quickstep-scaler"
  nullable    = false
}
