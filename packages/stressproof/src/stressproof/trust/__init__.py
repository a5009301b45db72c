"""Keys, DSSE envelopes, in-toto statements, the trust policy."""
