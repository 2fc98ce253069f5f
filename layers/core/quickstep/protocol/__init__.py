"""The nouns that evaluations pass on, and the ports they are passed through; pure."""
