"""Sends planned batches to Zendesk and writes down what came of them."""
