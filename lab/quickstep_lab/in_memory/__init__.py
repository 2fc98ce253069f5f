"""AWS in memory: all ports of the scaler; they pass the contract suite of the real adapters."""
