.DEFAULT_GOAL := help
PYTHON ?= python3
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1
