"""Reports of evaluations: log lines with metrics, and the dashboard."""
