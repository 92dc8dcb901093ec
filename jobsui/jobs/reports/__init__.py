"""What people and programs are told about a job."""
