"""What a key looks like: short, and safe in an address, a file name and a hash seed."""

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$"
KEY_RULE = "use 1–100 letters, digits, '_', '-' and '.', and begin with a letter or a digit"
