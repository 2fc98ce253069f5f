"""Thin adapters over boto3 clients. Each takes its client, none makes one."""
