"""What makes pages out of notebooks: where files are, predictions, comparing a learner's manifest."""
