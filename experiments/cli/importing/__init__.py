"""`evenhand import`: a file of units or of events, read line by line into the log."""
