"""An alarm's event, its definition, and readings of its metric."""
