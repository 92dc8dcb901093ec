"""Why few keys of a file have a record: they were damaged, are in another column, or belong to
another account. A rewriting is proposed only if the records then hold what the file has,
because the numbers of one account exist in another one, too."""
