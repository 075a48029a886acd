"""Paper accounts: who has one, and what it looks like on the wire."""
