"""Other backtesters on the same orders, each in a virtual environment of its own."""
