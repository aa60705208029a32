"""What an experiment is, who gets what, what was seen and done, what it meant."""
