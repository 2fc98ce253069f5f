# Quickstep's events by e-mail and webhook, as in templates/notifications.yaml.

module "notifications" {
  source = "./notifications"
  count  = var.event_outcomes == null ? 0 : 1

  name           = var.name
  email          = var.event_email
  webhook        = var.event_webhook
  webhook_secret = var.event_webhook_secret
}
