"""A multi-tenant spend-enforcement control plane on PostgreSQL."""
