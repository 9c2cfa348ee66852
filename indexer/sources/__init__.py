"""Where videos, pictures and lists come from: folders, and buckets of an object store."""
