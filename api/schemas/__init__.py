"""The shapes of what is sent and answered. Unknown fields are refused."""
