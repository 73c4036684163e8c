"""How people and apps reach Rowline: HTTP routes, pages, and the `rowline` command."""
