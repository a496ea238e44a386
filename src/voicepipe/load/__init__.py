"""Load: simulated users who talk to a running server in real time, and what they measure (`voicepipe bench`).

A `SimulatedUser` is a state machine without a clock and a socket; `sessions` runs users on sockets, `processes` spreads
them over processes, `summary` and `capacity` say what the figures mean.
"""
