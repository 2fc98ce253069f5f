"""Thin adapters over boto3 clients. Each receives its client; none creates one."""
