"""One function a rule; a verdict from a document and requirements, without I/O."""
