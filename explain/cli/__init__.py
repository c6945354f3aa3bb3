"""What ``python -m explain`` is asked, and how a run is replayed."""
