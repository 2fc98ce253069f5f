"""What is measured rather than tested: run a module, read its table."""
