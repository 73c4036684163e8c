"""Events: how they are read, identified and refused, and what starts when."""
