output "topic_arn" {
  description = "Subscribe to it what else is to hear of Quickstep's events."
  value       = aws_sns_topic.topic.arn
}

output "undelivered_url" {
  description = "The queue of events that were not delivered."
  value       = aws_sqs_queue.undelivered.url
}
