"""Several processes on one port: a supervisor that accepts connections, and workers that serve them."""
