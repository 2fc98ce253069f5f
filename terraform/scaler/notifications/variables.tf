variable "name" {
  description = "Prefix of the names of all resources here."
  type        = string
  default     = "quickstep"
  nullable    = false
}

variable "event_bus" {
  description = "The bus with the events."
  type        = string
  default     = "default"
  nullable    = false
}

variable "email" {
  description = "E-mail address that gets the events; null for nobody."
  type        = string
  default     = null
}

variable "webhook" {
  description = "URL to post the events to as {\"text\"}, such as a Slack webhook; null for none."
  type        = string
  default     = null
  sensitive   = true
}

variable "webhook_secret" {
  description = "Authorization header for these posts. A Slack webhook needs none."
  type        = string
  default     = "none"
  nullable    = false
  sensitive   = true
}
