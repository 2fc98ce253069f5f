"""An alarm's event, its definition, a reading of its metric."""
