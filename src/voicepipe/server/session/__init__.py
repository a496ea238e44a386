"""One client's session: from the frames of its socket to the graph, and back."""
