"""What each modality did for the answer, and what changes of the clip do to it."""
