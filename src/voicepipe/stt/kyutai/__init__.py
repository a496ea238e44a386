"""Kyutai's speech to text: stage, session, protocol, replay buffer."""
