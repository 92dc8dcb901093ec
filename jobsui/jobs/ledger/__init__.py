"""What a job and its rows are: states, results, counts, causes."""
