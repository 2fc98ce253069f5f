# Made from the template's parameters: python -m docs.generate

variable "cluster_names" {
  description = "Clusters whose services the scaler may change, separated by commas; * for all in this account and Region."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = alltrue([for one in var.cluster_names : can(regex("^(\\*|[A-Za-z0-9_-]{1,255})$", one))])
    error_message = "cluster_names must be * or names of letters, digits, - and _, separated by commas"
  }
}

variable "queue_arns" {
  description = "Queues whose length the scaler may read, for QueuePolicies; empty for none. CloudFormation accepts 4,096 characters: some 70 ARNs, or prefixes like arn:aws:sqs:eu-west-1:123456789012:jobs-*."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for one in var.queue_arns : can(regex("^(arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_*-]{1,80}(\\.fifo)?)$", one))])
    error_message = "queue_arns must be ARNs of SQS queues, separated by commas; * in a name stands for any characters"
  }
}

variable "alarm_email" {
  description = "E-mail address to notify when scaling fails. Empty for nobody; the alarms are created anyway."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^([^@\\s]+@[^@\\s]+\\.[^@\\s]+)$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address"
  }
}

variable "drill_target" {
  description = "Service to drill on a schedule, e.g. service/prod/web: a pulse follows a surge's path up to a decision, and capacity does not change. Empty for no drill."
  type        = string
  default     = null

  validation {
    condition     = var.drill_target == null || can(regex("^(service/[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,255})$", var.drill_target))
    error_message = "drill_target must be service/<cluster>/<service>, of letters, digits, - and _"
  }
}

variable "drill_minutes" {
  description = "Minutes between drills."
  type        = string
  default     = "15"
  nullable    = false

  validation {
    condition     = contains(["5", "15", "60"], var.drill_minutes)
    error_message = "drill_minutes must be one of 5, 15, 60"
  }
}

variable "drill_seconds" {
  description = "Seconds that a drill may take, from the start of the pulse's 10-second period to the decision, before its alarm fires. CloudWatch alone takes 10 to 30."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.drill_seconds >= 20 && var.drill_seconds <= 120
    error_message = "drill_seconds must be from 20 to 120"
  }
}

variable "event_outcomes" {
  description = "Outcomes that become events on the default bus (docs/events.md), such as SCALED_OUT,FAILED_DENIED, or CHANGES, FAILURES and HOLDS for all outcomes of a kind; empty for none."
  type        = string
  default     = null

  validation {
    condition     = var.event_outcomes == null || can(regex("^[A-Z_,]{0,90}$", var.event_outcomes))
    error_message = "event_outcomes must be outcomes separated by commas, of 90 characters in all"
  }
}

variable "event_email" {
  description = "E-mail address that gets these events; empty for none. The SNS topic is created anyway."
  type        = string
  default     = null

  validation {
    condition     = var.event_email == null || can(regex("^([^@\\s]+@[^@\\s]+\\.[^@\\s]+)$", var.event_email))
    error_message = "event_email must be an e-mail address"
  }
}

variable "event_webhook" {
  description = "URL to post these events to as {\"text\"}, such as a Slack webhook; empty for none."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.event_webhook == null || can(regex("^(https://\\S{1,1000})$", var.event_webhook))
    error_message = "event_webhook must be an https URL"
  }
}

variable "event_webhook_secret" {
  description = "Authorization header for these posts; a Slack webhook needs none."
  type        = string
  default     = "none"
  nullable    = false
  sensitive   = true

  validation {
    condition     = can(regex("^\\S.{0,511}$", var.event_webhook_secret))
    error_message = "event_webhook_secret must be 1 to 512 characters"
  }
}

variable "name_prefix" {
  description = "Prefix of the SSM parameter <prefix>-scaler. An account and Region has only one, because two scalers would both act on each event. Use another prefix only to replace a scaler."
  type        = string
  default     = "/quickstep"
  nullable    = false

  validation {
    condition     = can(regex("^/[A-Za-z0-9_.-]{1,100}$", var.name_prefix))
    error_message = "name_prefix must be / and a name of letters, digits, -, _ and ."
  }
}

variable "log_level" {
  description = "Lowest log level to write. Decisions are INFO, failures ERROR; metrics are always written."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be one of DEBUG, INFO, WARNING, ERROR"
  }
}

variable "retention_days" {
  description = "Days to keep decision records and logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.retention_days)
    error_message = "retention_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365"
  }
}

variable "policy_max_age_seconds" {
  description = "How many seconds a warm function keeps using a policy document that it has read. A change takes effect at most this long after a heartbeat has seen it."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.policy_max_age_seconds >= 0 && var.policy_max_age_seconds <= 3600
    error_message = "policy_max_age_seconds must be from 0 to 3600"
  }
}

variable "max_event_age_seconds" {
  description = "Maximum age in seconds of an alarm's state change for Quickstep to act on it."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.max_event_age_seconds >= 10 && var.max_event_age_seconds <= 600
    error_message = "max_event_age_seconds must be from 10 to 600"
  }
}

variable "memory_size" {
  description = "Memory of the function in MB. CPU grows with it, and a cold start is mostly imports."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.memory_size >= 256 && var.memory_size <= 3008
    error_message = "memory_size must be from 256 to 3008"
  }
}

variable "snap_start" {
  description = "Whether cold starts restore a snapshot; its cache and each restore cost a little. Not together with provisioned_concurrency."
  type        = bool
  default     = false
  nullable    = false
}

variable "provisioned_concurrency" {
  description = "Execution environments to keep warm, which AWS charges for; 0 for none."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.provisioned_concurrency >= 0 && var.provisioned_concurrency <= 100
    error_message = "provisioned_concurrency must be from 0 to 100"
  }
}

variable "endpoint_url" {
  description = "Endpoint for all AWS calls, to run the function against an emulator; empty for AWS itself."
  type        = string
  default     = null

  validation {
    condition     = var.endpoint_url == null || can(regex("^(https?://\\S{1,100})$", var.endpoint_url))
    error_message = "endpoint_url must be a URL that starts with http:// or https://"
  }
}

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
