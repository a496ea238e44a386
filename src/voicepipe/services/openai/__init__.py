"""The HTTP API of OpenAI, as many services have it: addresses, errors, and requests with deadlines and retries."""
