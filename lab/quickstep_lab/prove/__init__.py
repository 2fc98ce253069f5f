"""`quickstep prove`: the claim, measured on the reader's account; the parts that need no AWS."""
