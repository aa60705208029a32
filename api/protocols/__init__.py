"""Protocols of others, whose clients talk to the service unchanged."""
