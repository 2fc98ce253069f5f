"""The decision engine: pure functions over plain data.

Nothing below this folder reads a clock, the environment, a random source or the network, and
nothing is imported but the standard library: `now` is an argument, and what changed is returned.
Start at `decide.decide`; `model` holds the nouns.
"""
