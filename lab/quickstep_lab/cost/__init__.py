"""What Quickstep costs: counts of its calls, prices, and the resulting bill."""
