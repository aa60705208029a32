"""Frozen records and their rules: experiment, metric, lifecycle, time, errors. Imports nothing."""
