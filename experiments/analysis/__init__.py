"""From the event log to the report: cohort, values per unit, moments, statistics, decision."""
