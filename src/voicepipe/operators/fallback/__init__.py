"""Several ways to one answer: `fallback`, `hedge` and `retrying`."""
