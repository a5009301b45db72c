"""A till: exchange rates from a bank, cached in Redis, and payments that the bank charges once."""
