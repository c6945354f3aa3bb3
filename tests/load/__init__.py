"""Many users at once, for minutes: ``python -m tests.load --clients 16 --minutes 10``."""
