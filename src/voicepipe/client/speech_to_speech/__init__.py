"""`relay`: another server of conversations as one stage of a pipeline."""
