"""Load: simulated users that talk to a running server in real time, and their figures (`voicepipe bench`).

A `SimulatedUser` is a state machine without a clock and a socket; `sessions` runs users on sockets, `processes` spreads
them over processes, `summary` and `capacity` say what the figures mean.
"""
