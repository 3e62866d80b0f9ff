"""`make soak`: backfills under random faults and kills, and the table compared with the market at the end."""
