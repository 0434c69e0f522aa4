"""Documents and drops: their schemas, and the Parquet parts in which they travel."""
