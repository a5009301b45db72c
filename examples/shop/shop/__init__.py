"""A shop: products, carts, and orders that are placed once however often they are asked for."""
