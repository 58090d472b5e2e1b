"""actgen: accurate activation functions, compiled from one formula."""
