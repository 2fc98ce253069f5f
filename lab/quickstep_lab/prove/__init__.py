"""`quickstep prove`: the claim, measured on the reader's account; what of it touches no AWS."""
