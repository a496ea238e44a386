"""Several sources of one answer: `fallback`, `hedge` and `retrying`."""
