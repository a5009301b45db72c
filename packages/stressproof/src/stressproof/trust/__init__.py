"""Who ran it and who approved it: keys, envelopes, statements, the roster, the run ledger."""
