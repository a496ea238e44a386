"""Play a scenario: a session, scripted services, a user at the microphone."""
