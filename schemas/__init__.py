"""What flows through reelshelf: typed frozen records, Arrow schemas, keys, errors and the config."""
