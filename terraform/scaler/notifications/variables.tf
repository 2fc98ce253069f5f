variable "name" {
  description = "Begins the names of what is made here."
  type        = string
  default     = "quickstep"
  nullable    = false
}

variable "event_bus" {
  description = "The bus that has the events."
  type        = string
  default     = "default"
  nullable    = false
}

variable "email" {
  description = "Who gets them by e-mail; null for nobody."
  type        = string
  default     = null
}

variable "webhook" {
  description = "Where they are posted to as {\"text\"}, such as a Slack webhook; null for none."
  type        = string
  default     = null
  sensitive   = true
}

variable "webhook_secret" {
  description = "The Authorization header of these posts. A Slack webhook needs none."
  type        = string
  default     = "none"
  nullable    = false
  sensitive   = true
}
