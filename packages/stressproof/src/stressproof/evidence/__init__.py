"""The evidence documents as typed values: strict parsing, canonical bytes, templates."""
