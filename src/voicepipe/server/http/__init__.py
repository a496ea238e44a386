"""HTTP routes, errors, forms, and access control."""
