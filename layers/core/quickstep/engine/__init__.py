"""The decision engine: pure functions over plain data.

Nothing in this folder reads a clock, the environment, a random source or the network, or imports
anything but the standard library. `now` is an argument, and changes are returned. Start at
`decide.decide`; `model` holds the nouns.
"""
