"""Protocols that others made and that clients speak already."""
