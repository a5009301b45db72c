"""Rows for SHOP-002."""
