"""Live records: what the account holds now, beside what the rows of a job say."""
