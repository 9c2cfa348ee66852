"""From a file to a few frames, the cuts and the sound, in one pass over the stream."""
