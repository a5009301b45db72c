"""Reports as one file of HTML: nothing external, no script, the same bytes each time."""
