"""What the enforcement evidence protocol asks of the enforcement service, for stressproof."""
