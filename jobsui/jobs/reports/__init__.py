"""Reports the progress and the results of jobs to people and programs."""
