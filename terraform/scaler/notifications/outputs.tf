output "topic_arn" {
  description = "Subscribe anything else that should receive Quickstep's events."
  value       = aws_sns_topic.topic.arn
}

output "undelivered_url" {
  description = "The queue of undelivered events."
  value       = aws_sqs_queue.undelivered.url
}
