"""Scenarios against a live server: in real time, over the GA form of the Realtime API."""
