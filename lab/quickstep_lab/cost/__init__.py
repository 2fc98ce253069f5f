"""What Quickstep costs: counts of its calls, prices, and the bill that comes of both."""
