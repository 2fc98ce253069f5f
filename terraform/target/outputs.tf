output "surge_queue" {
  description = "The tasks' QUICKSTEP_SURGE_QUEUE, to let them ask for a look when they detect a surge"
  value       = nonsensitive(local.scaler.Surges)
}

output "high_request_rate_alarm" {
  description = "The alarm that scales out"
  value       = one(aws_cloudwatch_metric_alarm.high_request_rate[*].alarm_name)
}

output "low_request_rate_alarm" {
  description = "The alarm that scales in"
  value       = one(aws_cloudwatch_metric_alarm.low_request_rate[*].alarm_name)
}

output "above_target_alarm" {
  description = "The target policy's alarm"
  value = one(concat(
    aws_cloudwatch_metric_alarm.above_target[*].alarm_name,
    aws_cloudwatch_metric_alarm.above_target_by_math[*].alarm_name,
  ))
}

output "namespace" {
  description = "The namespace that the tasks publish to, the only one that their role needs (docs/security.md)"
  value       = local.namespace
}

output "policy_document" {
  description = "SSM parameter with the policy document"
  value       = aws_ssm_parameter.policy_document_parameter.name
}
