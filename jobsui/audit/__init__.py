"""What people and programs have done: an append-only log whose entries are chained by their
digests."""
