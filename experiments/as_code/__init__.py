"""Definitions as a text that is kept under version control: read, compared, applied, written."""
