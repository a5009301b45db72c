"""What is asked, as pure values: targets, endpoints, executors, pacers, checks, their order."""
