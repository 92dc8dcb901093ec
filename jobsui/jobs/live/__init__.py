"""Live records: what the account holds now, compared with what the rows of a job say."""
