output "dashboard_url" {
  description = "The dashboard of scaling decisions"
  value       = "https://${lookup(local.console, local.partition, local.console.aws)}/cloudwatch/home?region=${local.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.dashboard.dashboard_name}"
}

output "scaler_function" {
  description = "The function alias that receives alarm events"
  value       = aws_lambda_alias.live.arn
}

output "scaler_parameter" {
  description = "SSM parameter that describes this scaler to others; scaler of ../target"
  value       = aws_ssm_parameter.one_scaler_per_account_and_region.name
}

output "schedule_function_arn" {
  description = "The function for your own schedules to invoke (docs/operations.md)"
  value       = aws_lambda_function.schedule.arn
}

output "scheduler_role_arn" {
  description = "The role for your own schedules"
  value       = aws_iam_role.scheduler_role.arn
}

output "undelivered_events_arn" {
  description = "The dead-letter queue for your own schedules"
  value       = aws_sqs_queue.undelivered_events.arn
}

output "rechecks_queue" {
  description = "The queue through which the quickstep command sends requests to the scaler"
  value       = aws_sqs_queue.rechecks.url
}

output "surge_queue" {
  description = "The queue through which tasks ask for a look; their QUICKSTEP_SURGE_QUEUE"
  value       = aws_sqs_queue.surges.url
}

output "surge_queue_arn" {
  description = "The only queue on which a task role needs sqs:SendMessage"
  value       = aws_sqs_queue.surges.arn
}

output "ask_for_looks_policy" {
  description = "A managed policy with just that permission"
  value       = aws_iam_policy.ask_for_looks.arn
}

output "scaler_log_group" {
  description = "Every decision, as one JSON line"
  value       = aws_cloudwatch_log_group.scaler_logs.name
}

output "table_name" {
  description = "State and decision records of every target"
  value       = aws_dynamodb_table.table.name
}

output "undelivered_events_queue" {
  description = "Alarm state changes and heartbeats that never reached the function"
  value       = aws_sqs_queue.undelivered_events.url
}

output "failed_invocations_queue" {
  description = "Alarm state changes and heartbeats that the function gave up on, with the error"
  value       = aws_sqs_queue.failed_invocations.url
}

output "dead_messages_queue" {
  description = "Re-checks that failed three times"
  value       = aws_sqs_queue.dead_messages.url
}
