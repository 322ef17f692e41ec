"""Each module of feedback/ by itself, with stores in memory. Azure Table Storage is in tests/cloud."""
