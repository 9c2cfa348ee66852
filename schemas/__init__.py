"""What flows through reelshelf: frozen records, Arrow schemas, keys, errors and the config."""
