"""The nouns that evaluations exchange, and the ports they go through; pure."""
