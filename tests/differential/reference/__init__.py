"""The parts of the Decimal reference; `decimal_ledger` is the door."""
