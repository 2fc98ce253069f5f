"""Quickstep: step scaling for ECS Fargate services in seconds."""
