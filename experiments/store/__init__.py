"""The SQL store: SQLite in a file on one machine, PostgreSQL in a company."""
