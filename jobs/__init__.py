"""What a person or a schedule starts.

The only room that knows Ray. It schedules and shows, and decides nothing about videos.
"""
