"""Kyutai's text to speech: stage, session, protocol, prewarmed connections."""
