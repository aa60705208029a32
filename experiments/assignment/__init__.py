"""Who gets what: hashing, buckets, conditions, evaluation. Pure: no I/O and no clock."""
