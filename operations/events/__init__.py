"""Events in and out: what an app sent is stored, and the functions that it starts are carried out."""
