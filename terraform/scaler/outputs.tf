output "dashboard_url" {
  description = "The dashboard of scaling decisions"
  value       = "https://${lookup(local.console, local.partition, local.console.aws)}/cloudwatch/home?region=${local.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.dashboard.dashboard_name}"
}

output "scaler_function" {
  description = "The function's alias that alarms are routed to"
  value       = aws_lambda_alias.live.arn
}

output "scaler_parameter" {
  description = "SSM parameter with what others need to know of this scaler; scaler of ../target"
  value       = aws_ssm_parameter.one_scaler_per_account_and_region.name
}

output "schedule_function_arn" {
  description = "What your own schedule invokes (docs/operations.md)"
  value       = aws_lambda_function.schedule.arn
}

output "scheduler_role_arn" {
  description = "The role that it does it in"
  value       = aws_iam_role.scheduler_role.arn
}

output "undelivered_events_arn" {
  description = "Where it goes if it cannot"
  value       = aws_sqs_queue.undelivered_events.arn
}

output "rechecks_queue" {
  description = "The queue that the quickstep command talks to the scaler by"
  value       = aws_sqs_queue.rechecks.url
}

output "surge_queue" {
  description = "The queue by which tasks ask for a look; their QUICKSTEP_SURGE_QUEUE"
  value       = aws_sqs_queue.surges.url
}

output "surge_queue_arn" {
  description = "What a task role may call sqs:SendMessage on, and nothing else of SQS"
  value       = aws_sqs_queue.surges.arn
}

output "ask_for_looks_policy" {
  description = "A managed policy that allows just that"
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
  description = "Re-checks that failed again and again"
  value       = aws_sqs_queue.dead_messages.url
}
