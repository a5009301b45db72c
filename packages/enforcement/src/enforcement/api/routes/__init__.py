"""The routes, a file a subject; each file gives its handlers, bound to what they need."""
