"""The product itself: files, jobs, batches and rows, from upload to results."""
