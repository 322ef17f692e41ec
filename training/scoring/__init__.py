"""Score texts with a model folder: in memory, file to file, on one core or on Spark. Measuring is in `evaluation`."""
