"""How apps reach Rowline: the HTTP app, one module for each noun that it speaks of. Pages are next door."""
